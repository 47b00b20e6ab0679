"""mitmproxy's user interfaces: their list of flows, and whether somebody looks (FACTS M59)."""

import sys
from collections.abc import Sequence

from mitmproxy import ctx, flow, hooks
from mitmproxy.addons.view import View


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
