"""Calls that go on to their provider as the app made them."""

import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import connection, http

from ..config import Config, Provider
from ..mitm.log import is_read
from ..mitm.turns import change_answers, hear_others_now, scripts_see_answers
from ..mitmweb.notes import mark, note, note_report, noted, request_id_of, say, unmark
from ..openai_api.errors import ApiError
from ..openai_api.operations import Operation
from ..openai_api.sse import EVENT_STREAM
from ..relay.call import Answer, Generate
from ..relay.memory import Share
from ..telemetry.call_log import log_call
from ..telemetry.monitor import Monitor
from ..telemetry.report import CallReport, Ending
from .connections import Connections
from .decide import PassOn, decide
from .failure import after_others
from .handover import Target, declared_size, fits, target_of
from .hiding import Hiding
from .provider_call import url_of
from .settings import Settings
from .stream import BodyRecorder
from .to_relay import ToRelay, destination_now


@dataclass(slots=True)
class _PassedOn:
    operation: Operation
    provider: Provider
    answer: BodyRecorder | None = None


class Passing:
    """Follows the calls that are passed on, and tells of each when it ends."""

    def __init__(
        self, settings: Settings, monitor: Monitor, to_relay: ToRelay, connections: Connections
    ) -> None:
        self._settings = settings
        self._monitor = monitor
        self._to_relay = to_relay
        self._connections = connections
        self._passed_on: WeakKeyDictionary[http.HTTPFlow, _PassedOn] = WeakKeyDictionary()
        #: What each holds in memory.
        self._shares: WeakKeyDictionary[http.HTTPFlow, Share] = WeakKeyDictionary()
        self._heard: WeakSet[http.HTTPFlow] = WeakSet()
        self._hiding: WeakKeyDictionary[http.HTTPFlow, Hiding] = WeakKeyDictionary()

    def hide_keys(self, flow: http.HTTPFlow) -> None:
        """Has the flow show no key, from now on, of a request that may go on to its provider."""
        self._hiding[flow] = hiding = Hiding(flow)
        hiding.request(flow)

    def hide_more(self, flow: http.HTTPFlow) -> None:
        """Hides what other addons have put in since."""
        if hiding := self._hiding.get(flow):
            hiding.request(flow)

    def began(self, flow: http.HTTPFlow, operation: Operation, provider: Provider) -> None:
        """A call is to go on to its provider."""
        self._passed_on[flow] = _PassedOn(operation, provider)
        say(flow, f"on to {provider.name}")
        mark(flow, Ending.PASSED_ON)

    def _forget(self, flow: http.HTTPFlow) -> None:
        """The call does not go on, after all."""
        if self._passed_on.pop(flow, None):
            say(flow, "answered by another addon")
            unmark(flow, Ending.PASSED_ON)

    def may_hold(self, flow: http.HTTPFlow) -> bool:
        """Whether mitmproxy may hold the body of a request that is not handed over."""
        share = self._shares[flow] = self._to_relay.share()
        return fits(flow.request, self._settings.max_held) and share.has_room_for(
            declared_size(flow.request)
        )

    async def pass_on(self, flow: http.HTTPFlow, config: Config, judged: Target) -> None:
        """All addons have had the headers of a call that is to be passed on."""
        held = self.may_hold(flow)
        flow.request.stream = False
        if flow.error or (flow.response and held):
            self._forget(flow)
        elif held:
            after_others(flow, lambda: self._pass_on_whole(flow, config, judged))
        else:
            if not flow.response:
                # Its body goes on as it comes: other addons have their say before.
                await hear_others_now(flow)
                self._heard.add(flow)
            await self._pass_on_whole(flow, config, judged, streamed=True)

    async def _pass_on_whole(
        self,
        flow: http.HTTPFlow,
        config: Config,
        judged: Target,
        *,
        streamed: bool = False,
    ) -> None:
        """All addons have had a request that is to be passed on: it is, if they let it."""
        request = flow.request
        work: Answer | ApiError | Generate | PassOn = PassOn.IN_API
        operation = None
        if flow.response and streamed:
            work = Answer(flow.response.status_code)
        elif not flow.response and not flow.error and target_of(request) != judged:
            found = destination_now(flow, config.providers, judged)
            if found.provider:
                decision = decide(
                    config, found.provider, request.method, request.path, request.headers
                )
                work, operation = found.problem or decision.work, decision.operation
        if not isinstance(work, PassOn):
            self._forget(flow)
            if hiding := self._hiding.pop(flow, None):
                hiding.request(flow)
                hiding.keep(flow)
            original = (request.scheme, request.host, request.port, request.path)
            note(flow, url=url_of(*original), operation=operation)
            # What mitmproxy holds of it is held until then.
            share = self._shares.pop(flow, None)
            handed_over = await self._to_relay.prepare(
                flow, work, config, original, operation=operation, share=share
            )
            handed_over.take_answer()
            handed_over.point_at_relay(streamed=streamed)
        elif flow.response or flow.error:
            self._forget(flow)
        else:
            self._connections.passes_on(flow)
            request.stream = streamed

    def flows_of(self, client: connection.Client) -> list[http.HTTPFlow]:
        """The flows of a client that are passed on, and have not ended."""
        return [flow for flow in self._shares if flow.client_conn is client and not flow.is_replay]

    def follows(self, flow: http.HTTPFlow) -> bool:
        """Whether a flow is passed on, and has not ended."""
        return flow in self._shares

    def was_heard(self, flow: http.HTTPFlow) -> bool:
        """Whether all addons have had the request before its body came."""
        return flow in self._heard

    def begin_answer(self, flow: http.HTTPFlow) -> None:
        """Has the answer go to the app as it comes, unless another addon needs all of it first."""
        if (hiding := self._hiding.get(flow)) and flow.response:
            hiding.response_head(flow)
        limit = self._settings.max_held
        response = flow.response
        if response is None or response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            return
        if response.raw_content is not None:
            return  # made here, or by another addon
        if _is_awaited(flow, limit):
            return
        if passed_on := self._passed_on.get(flow):
            share = self._shares.setdefault(flow, self._to_relay.share())
            passed_on.answer = response.stream = BodyRecorder(self._settings.kept, share)
        else:
            response.stream = True

    def ended(self, flow: http.HTTPFlow) -> None:
        """A flow has ended that was not handed over: tells of it if it was a call."""
        passed_on = self._passed_on.pop(flow, None)
        if share := self._shares.pop(flow, None):
            share.close()
        if passed_on and passed_on.answer and flow.response:
            flow.response.data.content = passed_on.answer.body
        if hiding := self._hiding.pop(flow, None):
            hiding.ended(flow)
        if passed_on is None:
            return
        report = CallReport(
            request_id=request_id_of(flow.request) or "-",
            time=time.time(),
            outcome=Ending.PASSED_ON,
            operation=passed_on.operation,
            client=noted(flow, "client") or str((flow.client_conn.peername or ("-",))[0]),
            endpoint=passed_on.provider.name,
            status=flow.response.status_code if flow.response else None,
            duration=time.time() - flow.request.timestamp_start,
        )
        note_report(flow, report)
        self._monitor.passed_on(report)
        if is_read(logging.INFO):
            log_call(report)


def _is_awaited(flow: http.HTTPFlow, limit: int) -> bool:
    """Whether mitmproxy is to hold the whole answer, as it does by itself, for other addons."""
    assert flow.response
    length = flow.response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        return False
    if change_answers(flow):
        return True
    streamed = flow.response.headers.get("content-type", "").startswith(EVENT_STREAM)
    return not streamed and scripts_see_answers()
