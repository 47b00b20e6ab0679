"""The hooks of requests and answers."""

import asyncio
from dataclasses import dataclass, field

from mitmproxy import connection, exceptions, http
from mitmproxy.flow import Error

from ..config import Config
from ..descriptors import Descriptors
from ..mitm.http_server import error_response
from ..mitm.other_addons import change_answers
from ..mitmweb.live import LiveStreams
from ..mitmweb.notes import begin_notes, note, original_url
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_request
from ..relay.progress import Progress
from ..relay.work import Work
from ..telemetry.monitor import Monitor
from .call_end import tell_of_end
from .destination import target_of
from .fail_closed import after_others, contained, fail
from .flow_commands import key_problem
from .identify import Judged, asked_by
from .masked_log import mask_quoted
from .message_keys import mask_keys, mask_unreadable
from .owners import Owners
from .passed_on_calls import PassedOnCalls
from .provider_call import call_for_provider, url_of
from .relayed_call import RelayedCall
from .relayed_calls import RelayedCalls
from .settings import Settings
from .status_page import StatusPage
from .verdict import Asked, LeaveAlone, Origin, PassOn, Policy, RefuseAtOnce, Verdict, judge

# Seconds that mitmproxy has to end the flows of a client that is gone.
_ENDED_BY_THEN = 2.0


@dataclass(eq=False)
class CallInterceptor:
    """Judges each call, masks its keys, has the verdict carried out, and tells of its end."""

    name = "vast_calls"

    settings: Settings
    monitor: Monitor
    descriptors: Descriptors
    live: LiveStreams
    status_page: StatusPage
    relayed: RelayedCalls
    passed_on: PassedOnCalls
    _owners: Owners = field(default_factory=Owners, init=False)

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Judges the request, masks its keys, and has the verdict carried out."""
        try:
            if flow.live and flow.error:
                # mitmproxy refuses it as invalid HTTP, and does not know yet for which host it is.
                mask_unreadable(flow.request)
                flow.error.msg = mask_quoted(flow.error.msg)
            else:
                await self._judge(flow)
        except Exception as error:  # noqa: BLE001  (what was not judged is not sent on)
            if relayed := self.relayed.find(flow):
                self.relayed.answered_by_another(relayed, "")
            fail(flow, error)

    async def _judge(self, flow: http.HTTPFlow) -> None:
        config = await self.settings.current() if flow.live else self.settings.config
        asked = asked_by(flow, config)
        policy = self._policy(asked, config)
        verdict = judge(asked, policy)
        match verdict:
            case LeaveAlone() if flow.live:
                self.status_page.answer(flow)
                self.passed_on.leave_alone(flow)
            case LeaveAlone():
                _keep_as_loaded(flow, asked, verdict)
            case PassOn():
                begin_notes(flow, **_facts(asked, verdict))
                self.passed_on.begin(flow, asked, verdict.operation, policy)
                self.status_page.answer(flow)  # in reverse mode, every host is the provider's
            case _:
                begin_notes(flow, **_facts(asked, verdict))
                await self._hand_over(flow, asked, verdict, policy)

    def _policy(self, asked: Asked, config: Config) -> Policy:
        for_provider = asked.origin is Origin.REPLAYED_FOR_PROVIDER
        is_call = asked.provider is not None and asked.origin is not Origin.FILE
        return Policy(
            config=config,
            problem=self.settings.problem,
            key_problem=key_problem(asked.provider, url_of(*asked.place)) if for_provider else None,
            has_room=not is_call or self.descriptors.admit_call(),
            recording=self.settings.recording,
            rehearsing=self.settings.rehearsing,
        )

    async def _hand_over(
        self, flow: http.HTTPFlow, asked: Asked, work: Work, policy: Policy
    ) -> None:
        """Masks the keys for good, and has the relay do the work once all addons agree."""
        rehearsing = policy.rehearsing
        # The key of a replay is masked; in a rehearsal, the provider is not called.
        stands_in = asked.origin is Origin.LIVE or (rehearsing and asked.origin is Origin.REPLAYED)
        falls_back = policy.config.falls_back_to_provider and stands_in
        as_made = call_for_provider(work, asked, flow.request, falls_back=falls_back)
        owner = self._owners.owner_of(flow, asked, work.operation)
        mask_keys(flow.request)
        judged = Judged(policy, asked.client, target_of(flow.request))
        relayed = await self.relayed.prepare(
            flow, work, judged, asked.place, provider=as_made, owner=owner
        )
        if isinstance(work, RefuseAtOnce):
            self._refuse(relayed, work.error)
            return
        if asked.origin is not Origin.LIVE:
            relayed.show_asked()
        after_others(flow, lambda: self.relayed.hand_over(relayed))

    def _refuse(self, relayed: RelayedCall, error: ApiError) -> None:
        """Answers a call with an error, without the relay."""
        flow, progress = relayed.flow, relayed.progress
        self.relayed.take_back(flow)
        progress.fail(error)
        flow.request.stream = False  # with an answer that is there, mitmproxy would crash
        # Without its connection, the app takes no descriptor, either.
        flow.response = _answer_to(progress, error, connection="close")
        self._ended(flow, progress, left=False)

    @contained
    def request(self, flow: http.HTTPFlow) -> None:
        """All of a request is there. One that was streamed is at the relay already."""
        relayed = self.relayed.find(flow)
        if relayed:
            relayed.progress.receive(held=self.settings.intercepting)
            flow.request.headers.pop("proxy-authorization", None)  # mitmproxy's, for its upstream
            if relayed.pointed:
                relayed.keep_request_body()
                after_others(flow, lambda: self.relayed.hand_over_rest(relayed))
        else:
            self.passed_on.request_ended(flow)
        if self.passed_on.was_heard(flow):
            raise exceptions.AddonHalt

    @contained
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Shows where the call really went, and lets the answer through as it comes."""
        assert flow.response
        relayed = self.relayed.find(flow)
        if relayed is None:
            _mask_taken_over(flow)
            self.passed_on.begin_answer(flow)
            return
        relayed.begin_answer()
        if relayed.progress.streamed and not change_answers(flow):
            self.live.began(flow, relayed.stream_response())
        else:
            relayed.stream_large_answer()

    @contained
    def response(self, flow: http.HTTPFlow) -> None:
        """The answer is complete. Gives the flow a streamed body, to look at and to save."""
        relayed = self.relayed.leave(flow)
        if relayed is None or flow.response is None:
            self.passed_on.ended(flow)
            return
        progress = relayed.progress
        relayed.show_upstream()  # a stream may have begun before it was known
        if relayed.answer or not relayed.pointed:
            # Such as mitmproxy's server replay.
            self.relayed.answered_by_another(relayed)
            return
        if not progress.answered:
            # The relay's HTTP server refused what was made for it.
            error = bad_request("The request is not valid HTTP.", ErrorCode.INVALID_REQUEST)
            progress.fail(error)
            flow.response = _answer_to(progress, error)
        elif not relayed.keep_response_body():
            progress.pass_on()
        self._ended(flow, progress, left=False)

    @contained
    def error(self, flow: http.HTTPFlow) -> None:
        """The app has left, or something has failed: forgets the call, and tells of its end."""
        relayed = self.relayed.take_back(flow)
        assert flow.error
        flow.error.msg = mask_quoted(flow.error.msg)
        if relayed is None:
            _mask_taken_over(flow)
            self.passed_on.ended(flow)
            return
        relayed.show_upstream()
        if flow.error.msg == flow.error.KILLED_MESSAGE and not relayed.pointed:
            self.relayed.answered_by_another(relayed)
            return
        relayed.keep_response_body()
        self._ended(flow, relayed.progress, left=not relayed.progress.complete)

    def client_disconnected(self, client: connection.Client) -> None:
        """An app has left. mitmproxy does not always end its flows then (FACTS M54)."""
        flows = [
            each
            for each in (*self.relayed.flows, *self.passed_on.flows)
            if each.client_conn is client and not each.is_replay
        ]
        if flows:
            asyncio.get_running_loop().call_later(_ENDED_BY_THEN, self._end_forgotten, flows)

    def _end_forgotten(self, flows: list[http.HTTPFlow]) -> None:
        for each in flows:
            if self.relayed.find(each) or each in self.passed_on.flows:
                each.error = each.error or Error("Client disconnected.")
                each.live = False
                self.error(each)

    def _ended(self, flow: http.HTTPFlow, progress: Progress, *, left: bool) -> None:
        self.live.ended(flow)
        tell_of_end(flow, progress, self.monitor, left=left)


def _answer_to(progress: Progress, error: ApiError, **headers: str) -> http.Response:
    call = progress.call
    return error_response(error, call.error_api, call.request_id, **headers)


def _facts(asked: Asked, verdict: Verdict) -> dict[str, str | None]:
    """What a flow's metadata says of its call from the beginning."""
    return {
        "url": url_of(*asked.place),
        "provider": asked.provider.name if asked.provider else None,
        "operation": verdict.operation,
        "client": asked.client.name if verdict.operation else None,
    }


def _keep_as_loaded(flow: http.HTTPFlow, asked: Asked, verdict: LeaveAlone) -> None:
    """Notes what a flow from a file is. mitmproxy calls hooks for it as if it were new."""
    if asked.provider and not original_url(flow):
        note(flow, **_facts(asked, verdict))
    _mask_taken_over(flow)


def _mask_taken_over(flow: http.HTTPFlow) -> None:
    """Masks the keys of a request to a provider, whatever the configuration says by now."""
    if original_url(flow):
        mask_keys(flow.request)
