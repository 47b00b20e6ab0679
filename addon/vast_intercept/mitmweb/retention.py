"""Bounds what mitmproxy's user interfaces keep: they keep every flow for ever."""

import asyncio
from collections.abc import Callable, Iterable
from weakref import WeakSet

from mitmproxy import flow, flowfilter, http, tcp, udp

from ..config import InspectSection
from ..mitm.master import list_of_flows
from ..repeating import repeat
from .sent import size_of_sent

# Seconds between two looks at the list of flows: between them it may be longer.
_LOOK_AGAIN = 1.0


class Retention:
    """Drops flows that came through the proxy, the oldest first.

    What a person loaded from a file or duplicated is the person's, and is not counted. `markers`
    are our own: who else marks a flow wants to keep it. `limits` gives what is in force.
    """

    name = "vast_retention"

    def __init__(self, markers: Iterable[str], limits: Callable[[], InspectSection]) -> None:
        self._not_a_persons = {"", *markers}
        self._limits = limits
        self._came_through: WeakSet[flow.Flow] = WeakSet()
        self._task: asyncio.Task[None] | None = None

    def running(self) -> None:
        """Starts the task that looks at the list of flows."""
        looking = repeat(lambda: self.enforce(self._limits()), _LOOK_AGAIN, "The list of flows")
        self._task = asyncio.create_task(looking, name="bound the list of flows")

    def done(self) -> None:
        """Ends the task that looks at the list of flows."""
        if self._task:
            self._task.cancel()

    def requestheaders(self, flow: flow.Flow) -> None:
        """Remembers a flow that begins or is replayed, unless it was loaded from a file."""
        if flow.live:
            self._came_through.add(flow)

    tcp_start = udp_start = dns_request = requestheaders

    def enforce(self, limits: InspectSection) -> None:
        """Drops the flows that exceed the limits. mitmdump keeps no flows, so it drops none."""
        view = list_of_flows()
        if view is None:
            return
        flows = [each for each in view.resolve("@all") if each in self._came_through]
        sizes = [_body_bytes(each) for each in flows]
        too_many = len(flows) - limits.keep_flows
        too_large = sum(sizes) - limits.keep_body_bytes
        wanted = flowfilter.parse(limits.keep_filter) if limits.keep_filter else None
        for each, size in zip(flows, sizes, strict=True):
            if too_many <= 0 and too_large <= 0:
                return
            may_go = not _is_in_progress(each) and each.marked in self._not_a_persons
            if may_go and not (wanted and wanted(each)):
                view.remove([each])  # one by one: it logs when several are removed
                too_many -= 1
                too_large -= size


def _is_in_progress(each: flow.Flow) -> bool:
    waits_for_its_replay = (
        isinstance(each, http.HTTPFlow)
        and each.is_replay == "request"
        and not (each.response or each.error)
    )
    return bool(each.live or each.intercepted or waits_for_its_replay)


def _body_bytes(each: flow.Flow) -> int:
    if isinstance(each, tcp.TCPFlow | udp.UDPFlow):
        return sum(len(message.content) for message in each.messages)
    if not isinstance(each, http.HTTPFlow):
        return 0
    bodies = [message.raw_content for message in (each.request, each.response) if message]
    bodies += [message.content for message in each.websocket.messages] if each.websocket else []
    return sum(len(body or b"") for body in bodies) + size_of_sent(each)
