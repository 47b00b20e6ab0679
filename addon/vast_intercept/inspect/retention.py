"""Bounds what mitmproxy's user interface keeps: it keeps every flow for ever."""

from collections.abc import Iterable

from mitmproxy import ctx, flow, flowfilter, http
from mitmproxy.addons.view import View

from ..config_file import InspectSection


def drop_old_flows(limits: InspectSection, markers: Iterable[str]) -> None:
    """Drops flows, the oldest first, until those that may be dropped are within the limits.

    `markers` are our own: who else marks a flow wants to keep it. Does nothing under mitmdump,
    which keeps none.
    """
    view: View | None = getattr(ctx.master, "view", None)
    if view is None:
        return
    flows = list(view.resolve("@all"))
    sizes = {each.id: _body_bytes(each) for each in flows}
    too_many = len(flows) - limits.keep_flows
    too_large = sum(sizes.values()) - limits.keep_body_bytes
    if too_many <= 0 and too_large <= 0:
        return
    wanted = flowfilter.parse(limits.keep_filter) if limits.keep_filter else None
    own = {"", *markers}
    for each in flows:
        if too_many <= 0 and too_large <= 0:
            return
        if _is_in_progress(each) or each.marked not in own or (wanted and wanted(each)):
            continue
        view.remove([each])  # one by one: it logs when several are removed
        too_many -= 1
        too_large -= sizes[each.id]


def _is_in_progress(each: flow.Flow) -> bool:
    if each.live or each.intercepted:
        return True
    # One that waits for its turn to be replayed.
    return (
        isinstance(each, http.HTTPFlow)
        and each.is_replay == "request"
        and not each.response
        and not each.error
    )


def _body_bytes(each: flow.Flow) -> int:
    if not isinstance(each, http.HTTPFlow):
        return 0
    response = each.response.raw_content if each.response else None
    return len(each.request.raw_content or b"") + len(response or b"")
