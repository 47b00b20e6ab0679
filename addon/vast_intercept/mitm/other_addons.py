"""Acts on a flow after all other addons have had its hook (FACTS M30, M31)."""

from collections.abc import Awaitable, Callable
from typing import Any

from mitmproxy import addonmanager, ctx, http
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook

from .direct_hooks import is_ours

_FRAMING = ("content-length", "transfer-encoding")


def after_others(flow: http.HTTPFlow, then: Callable[[], Awaitable[None] | None]) -> None:
    """Calls `then` after every addon has had the hook, and nobody holds the flow any more.

    mitmproxy awaits `wait_for_resume` after each hook (FACTS M30).
    """

    async def wait_and_go_on() -> None:
        del flow.wait_for_resume
        await http.HTTPFlow.wait_for_resume(flow)  # of the class: the instance may have ours
        result = then()
        if result is not None:
            await result

    flow.wait_for_resume = wait_and_go_on  # type: ignore[method-assign]


async def hear_others_now(flow: http.HTTPFlow) -> None:
    """Gives all addons their `request` hook before the body is there, and waits for who holds it.

    For a body that is streamed, mitmproxy calls the hook when all of it has gone out (FACTS M31).
    Addons find an empty body, which they cannot change.
    """
    headers = flow.request.headers
    framing = [(name, headers.get(name)) for name in _FRAMING]
    flow.request.data.content = b""
    try:
        await ctx.master.addons.handle_lifecycle(HttpRequestHook(flow))
        await http.HTTPFlow.wait_for_resume(flow)
    finally:
        flow.request.data.content = None
        for name, value in framing:
            if value is not None:
                flow.request.headers[name] = value
            else:
                flow.request.headers.pop(name, None)


def change_answers(flow: http.HTTPFlow) -> bool:
    """Whether mitmproxy's `modify_body` or `intercept` applies to the body of this answer."""
    modify: Any = ctx.master.addons.get("modifybody")
    intercept: Any = ctx.master.addons.get("intercept")
    return bool(
        (modify and any(spec.matches(flow) for spec in modify.replacements))
        or (intercept and intercept.should_intercept(flow))
    )


def scripts_see_answers() -> bool:
    """Whether a script of the person who runs mitmproxy has a `response` hook."""
    scripts: Any = ctx.master.addons.get("scriptloader")
    return scripts is not None and any(
        callable(getattr(addon, "response", None)) and not is_ours(addon)
        for addon in addonmanager.traverse(scripts.addons)
    )
