"""mitmproxy's master: the order of its addons, its commands, its end (FACTS M61)."""

from typing import Any

from mitmproxy import ctx, hooks
from mitmproxy.master import Master


def put_first(master: Master, addon: Any) -> None:
    """Moves an addon to the front, so that no key gets past it to an addon that shows flows.

    mitmproxy's check of who may use it stays before it, since that needs such a key (FACTS M7).
    """
    chain = master.addons.chain
    chain.remove(addon)
    check = master.addons.get("proxyauth")
    chain.insert(chain.index(check) + 1 if check else 0, addon)


def configure(master: Master, addon: Any) -> None:
    """Tells an addon of all options, before the proxy listens. Raises OptionsError.

    mitmproxy itself calls `configure` only for options that were set.
    """
    master.addons.invoke_addon_sync(addon, hooks.ConfigureHook(set(master.options.keys())))


def add_commands(holder: object) -> None:
    """Adds the commands of an object that is no addon: mitmproxy would ask that at every hook."""
    ctx.master.commands.collect_commands(holder)


def is_exiting() -> bool:
    """Whether the process is about to end; if not, a script is being reloaded or removed."""
    return ctx.master.should_exit.is_set()


async def asked_to_exit_again() -> None:
    """Returns when the process is told to end once more than it was by now."""
    ctx.master.should_exit.clear()
    await ctx.master.should_exit.wait()
