"""Requests that mitmproxy itself sends on: calls for their provider, and those to other hosts."""

from dataclasses import dataclass
from http import HTTPStatus
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import http

from ..config import EndpointId, UpstreamKind
from ..mitm.other_addons import change_answers, hear_others_now, scripts_see_answers
from ..mitmweb.notes import mark, note, noted, request_id_of, say, unmark
from ..openai_api.operations import Operation, clean_path
from ..openai_api.sse import EVENT_STREAM
from ..relay.call import Call
from ..relay.memory import Share
from ..relay.progress import Progress
from ..relay.work import AnswerHere, Work
from ..telemetry.monitor import Monitor
from ..telemetry.report import Ending
from .answer_watch import AnswerWatch, watched
from .body_recorder import BodyRecorder
from .call_end import tell_of_end
from .connections import Connections
from .destination import target_of
from .fail_closed import after_others
from .hidden_keys import HiddenKeys
from .identify import Judged
from .provider_call import url_of
from .recording import Passed, Recording
from .relayed_call import declared_size, size_to_hold
from .relayed_calls import ANSWERED_BY_ANOTHER, RelayedCalls
from .settings import Settings
from .verdict import Asked, LeaveAlone, Origin, PassOn, Policy


@dataclass(slots=True)
class _Followed:
    """A request that mitmproxy itself sends on."""

    #: What it holds in memory.
    share: Share
    #: None for a request to another host.
    hidden: HiddenKeys | None = None
    #: What is told of it when it ends; None if it is no call of the provider's API.
    progress: Progress | None = None
    answer: BodyRecorder | None = None
    #: Only while calls are recorded: its body as it passes, and what watches its answer.
    request: BodyRecorder | None = None
    watch: AnswerWatch | None = None


class PassedOnCalls:
    """Follows the requests that mitmproxy sends on, and tells of each call when it ends."""

    def __init__(
        self,
        settings: Settings,
        monitor: Monitor,
        relayed: RelayedCalls,
        connections: Connections,
        recording: Recording,
    ) -> None:
        self._settings = settings
        self._monitor = monitor
        self._relayed = relayed
        self._connections = connections
        self._recording = recording
        self._followed: WeakKeyDictionary[http.HTTPFlow, _Followed] = WeakKeyDictionary()
        #: Requests that all addons have had before their bodies came.
        self._heard: WeakSet[http.HTTPFlow] = WeakSet()

    def begin(
        self, flow: http.HTTPFlow, asked: Asked, operation: Operation | None, policy: Policy
    ) -> None:
        """Follows a request that goes on to its provider, and hides its keys from now on.

        `operation` is None for a request that is no call of the provider's API.
        """
        request = flow.request
        request.path = clean_path(request.path)
        hidden = HiddenKeys(flow)
        hidden.request(flow)
        assert asked.provider
        provider = asked.provider.name
        followed = self._followed[flow] = _Followed(self._relayed.share(), hidden)
        if operation:
            call = Call(
                work=None,
                config=policy.config,
                request_id=request_id_of(request) or "-",
                max_body=0,
                client=flow.client_conn.peername,
                operation=operation,
                client_name=noted(flow, "client"),
                share=followed.share,
            )
            followed.progress = Progress(call)
            followed.progress.turn_to(EndpointId(UpstreamKind.PROVIDER, provider))
            followed.progress.receive(held=False)
            say(flow, f"on to {provider}")
            mark(flow, Ending.PASSED_ON)
        judged = Judged(policy, asked.client, target_of(request))
        after_others(flow, lambda: self._pass_on(flow, judged))

    def leave_alone(self, flow: http.HTTPFlow) -> None:
        """A request over HTTP to another host: mitmproxy would hold a body of any size (M38)."""
        followed = self._followed[flow] = _Followed(self._relayed.share())
        flow.request.stream = not flow.response and not self._may_hold(flow, followed)

    def request_ended(self, flow: http.HTTPFlow) -> None:
        """All of a request is there. Hides keys that other addons have added since."""
        followed = self._followed.get(flow)
        if followed and followed.hidden:
            followed.hidden.request(flow)
        if followed and followed.progress:
            followed.progress.receive(held=self._settings.intercepting)

    def _is_answered(self, flow: http.HTTPFlow, followed: _Followed) -> None:
        """Notes that another addon has answered the call, which is not sent on."""
        if followed.progress:
            followed.progress = None
            say(flow, ANSWERED_BY_ANOTHER)
            unmark(flow, Ending.PASSED_ON)

    def _may_hold(self, flow: http.HTTPFlow, followed: _Followed) -> bool:
        """Whether mitmproxy may hold the request's body."""
        size = size_to_hold(flow.request)
        fits = size is not None and size <= self._settings.max_held
        return fits and followed.share.has_room_for(size or 0)

    async def _pass_on(self, flow: http.HTTPFlow, judged: Judged) -> None:
        """All addons have had the headers of a call that is to be passed on."""
        followed = self._followed.get(flow)
        if followed is None:
            return  # it has ended
        held = self._may_hold(flow, followed)
        flow.request.stream = False
        if flow.error or (flow.response and held):
            self._is_answered(flow, followed)
        elif held:
            after_others(flow, lambda: self._pass_on_whole(flow, judged))
        else:
            if not flow.response:
                # Its body goes on as it comes: other addons have their say before.
                await hear_others_now(flow)
                self._heard.add(flow)
            await self._pass_on_whole(flow, judged, streamed=True)

    async def _pass_on_whole(
        self, flow: http.HTTPFlow, judged: Judged, *, streamed: bool = False
    ) -> None:
        """All addons have had a request that is to be passed on: it is, if they let it."""
        followed = self._followed.get(flow)
        if followed is None:
            return  # it has ended
        work = self._judge_again(flow, judged, streamed=streamed)
        if work is not None:
            await self._hand_to_relay(flow, work, judged, streamed=streamed)
        elif flow.response or flow.error:
            self._is_answered(flow, followed)
        else:
            self._connections.passes_on(flow)
            flow.request.stream = streamed
            if streamed and followed.progress and self._settings.recording:
                recorder = BodyRecorder(self._settings.recorded, followed.share)
                flow.request.stream = followed.request = recorder

    def _judge_again(self, flow: http.HTTPFlow, judged: Judged, *, streamed: bool) -> Work | None:
        """What the relay is to do with the request by now; None if it still goes on."""
        if flow.response and streamed:
            return AnswerHere(flow.response.status_code)  # the relay takes the body that comes
        if flow.response or flow.error or not judged.has_changed(flow):
            return None
        _, verdict = judged.again(flow, Origin.EDITED_WITH_KEYS)
        return None if isinstance(verdict, LeaveAlone | PassOn) else verdict

    async def _hand_to_relay(
        self, flow: http.HTTPFlow, work: Work, judged: Judged, *, streamed: bool
    ) -> None:
        """Gives the relay a call that was changed, and masks its keys for good."""
        followed = self._followed.pop(flow)
        self._is_answered(flow, followed)
        if followed.hidden:
            followed.hidden.request(flow)
            followed.hidden.keep(flow)
        _, place = target_of(flow.request)
        note(flow, url=url_of(*place), operation=work.operation)
        # What mitmproxy holds of it is held until then.
        relayed = await self._relayed.prepare(flow, work, judged, place, share=followed.share)
        relayed.take_answer()
        relayed.point_at_relay(streamed=streamed)

    @property
    def flows(self) -> list[http.HTTPFlow]:
        """The flows that mitmproxy itself sends on, and that have not ended."""
        return list(self._followed)

    @property
    def running(self) -> int:
        """How many calls of providers' APIs are among them."""
        return sum(each.progress is not None for each in self._followed.values())

    def was_heard(self, flow: http.HTTPFlow) -> bool:
        """Whether all addons have had the request before its body came."""
        return flow in self._heard

    def begin_answer(self, flow: http.HTTPFlow) -> None:
        """Sends the answer to the app as it comes, unless another addon needs all of it first."""
        followed = self._followed.get(flow)
        response = flow.response
        assert response
        if followed and followed.hidden:
            followed.hidden.response_head(flow)
        if (
            response.status_code == HTTPStatus.SWITCHING_PROTOCOLS
            or response.raw_content is not None  # made here, or by another addon
            or _is_awaited(response, flow, self._settings.max_held)
        ):
            return
        response.stream = True
        if followed and followed.progress:
            most = max(self._settings.kept, self._settings.recorded)
            response.stream = followed.answer = BodyRecorder(most, followed.share)
            if self._settings.recording:
                self._watch(response, followed, followed.answer, followed.progress)

    def _watch(
        self,
        response: http.Response,
        followed: _Followed,
        recorder: BodyRecorder,
        progress: Progress,
    ) -> None:
        """Has it noted when an answer that is recorded says something, if it is a stream."""
        operation = progress.call.operation
        assert operation
        followed.watch = watched(response, recorder, progress, operation)
        response.stream = followed.watch or recorder

    def ended(self, flow: http.HTTPFlow) -> None:
        """A flow has ended that the relay did not have: tells of it if it was a call."""
        followed = self._followed.pop(flow, None)
        if followed is None:
            return
        answer = followed.answer
        if answer and flow.response:
            is_shown = answer.size <= self._settings.kept
            flow.response.data.content = answer.body if is_shown else None
        if followed.hidden:
            followed.hidden.ended(flow)
        if followed.progress:
            tell_of_end(flow, followed.progress, self._monitor)
        if followed.progress and followed.hidden and self._settings.recording:
            self._recording.ended(flow, _passed(followed, followed.progress, followed.hidden))
        else:
            followed.share.close()


def _passed(followed: _Followed, progress: Progress, hidden: HiddenKeys) -> Passed:
    """What is to be recorded of a call besides its flow."""
    assert progress.call.operation
    return Passed(
        operation=progress.call.operation,
        keys=hidden.keys,
        share=followed.share,
        request=followed.request,
        answer=followed.answer,
        complete=bool(followed.watch and followed.watch.complete),
    )


def _is_awaited(response: http.Response, flow: http.HTTPFlow, limit: int) -> bool:
    """Whether mitmproxy is to hold the whole answer, as it does by itself, for other addons."""
    if (declared_size(response) or 0) > limit:
        return False
    if change_answers(flow):
        return True
    streamed = response.headers.get("content-type", "").startswith(EVENT_STREAM)
    return not streamed and scripts_see_answers()
