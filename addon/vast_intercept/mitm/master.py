"""mitmproxy's master: its addons and commands, its list of flows, its log, its end."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

from mitmproxy import ctx, flow, hooks
from mitmproxy.addons.termlog import TermLogHandler
from mitmproxy.addons.view import View
from mitmproxy.log import LegacyLogEvents, MitmFormatter
from mitmproxy.master import Master

# --- addons, commands, the end (FACTS M61) --------------------------------------------------------


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


# --- user interfaces (FACTS M59) ------------------------------------------------------------------


def list_of_flows() -> View | None:
    """The list that mitmweb and mitmproxy's console keep; None under mitmdump, which has none."""
    return getattr(ctx.master, "view", None)


def is_watched() -> bool:
    """Whether a page of mitmweb is open, or this is mitmproxy's console."""
    if list_of_flows() is None:
        return False
    web = sys.modules.get("mitmproxy.tools.web.app")
    return page_url() is None or bool(web and web.ClientConnection.connections)


def page_url() -> str | None:
    """Where mitmweb's page is; None if this is not mitmweb."""
    return getattr(ctx.master, "web_url", None)


def show_anew(flows: Sequence[flow.Flow]) -> None:
    """Has the interfaces show what the flows are by now. Scripts get their `update` hook."""
    ctx.master.addons.trigger(hooks.UpdateHook(flows))


# --- the log (FACTS M60) --------------------------------------------------------------------------


def terminal_handler() -> TermLogHandler | None:
    """What writes the log to the terminal; None in mitmproxy's console, which shows it itself."""
    termlog = ctx.master.addons.get("termlog")
    return termlog.logger if termlog else None


def own_formatter(handler: TermLogHandler) -> logging.Formatter:
    """The formatter that mitmproxy gave the handler in the beginning."""
    return MitmFormatter(handler.has_vt_codes)


def is_read(level: int) -> bool:
    """Whether anybody reads lines of the level.

    mitmproxy has one more handler, for addons with a hook that is deprecated. It asks all addons
    for each line, which takes as long as everything else that is done for the line.
    """
    return any(
        handler.level <= level and not isinstance(handler, LegacyLogEvents)
        for handler in logging.getLogger().handlers
    )


def leave_out_refused_certificates() -> None:
    """Leaves out mitmproxy's line for each connection whose client refuses the certificate.

    The hints say it once for each app, with its name and what helps.
    """
    refused = "Client TLS handshake failed. The client"
    logging.getLogger("mitmproxy.proxy.server").addFilter(
        lambda record: not record.getMessage().startswith(refused)
    )
