"""From an app's request to the relay, and the relay's answer back to the app."""

import asyncio
import logging
import os
from dataclasses import replace
from urllib.parse import urlsplit

from mitmproxy import connection, exceptions, http
from mitmproxy.flow import Error

from ..config import Config, Provider, find_provider
from ..descriptors import Descriptors
from ..mitm.log import is_read
from ..mitm.turns import change_answers
from ..mitmweb.live import LiveStreams
from ..mitmweb.notes import begin_notes, note, note_report, noted, original_url
from ..mitmweb.retention import Retention
from ..openai_api.errors import ApiError, misconfigured
from ..openai_api.operations import Operation, clean_path
from ..relay.call import Generate, ProviderCall
from ..relay.failures import no_room
from ..relay.progress import Progress
from ..relay.serving.server import Relay
from ..telemetry.call_log import log_call
from ..telemetry.monitor import Monitor
from ..telemetry.report import report_of
from .clients import invalid_api_key, name_of_client
from .connections import Connections
from .decide import PassOn, decide
from .destination import Destination, Parts, destination_of
from .failure import after_others, contained, fail
from .handover import target_of
from .masked_log import mask_quoted
from .masking import api_key_of, mask_keys, mask_path, mask_unreadable
from .passing import Passing
from .provider_call import parts_of, provider_call, too_many_keys, url_of, with_key
from .replay import OPENAI_API_KEY, is_for_provider, key_problem
from .settings import Settings
from .status_page import StatusPage
from .to_relay import ToRelay

# Seconds that mitmproxy has to end the flows of a client that is gone.
_ENDED_BY_THEN = 2.0


class CallInterceptor:
    """Decides what happens to a call, masks its keys, and hands it to the relay."""

    name = "vast_calls"

    def __init__(
        self,
        settings: Settings,
        relay: Relay,
        *,
        monitor: Monitor,
        live: LiveStreams,
        retention: Retention,
        status_page: StatusPage,
        connections: Connections,
        descriptors: Descriptors,
    ) -> None:
        self._settings = settings
        self._relay = relay
        self._monitor = monitor
        self._live = live
        self._retention = retention
        self._descriptors = descriptors
        self._status_page = status_page
        self._to_relay = ToRelay(settings, relay, monitor)
        self._passing = Passing(settings, monitor, self._to_relay, connections)

    async def ended(self) -> None:
        """Returns once no call is with the relay any more, and its answer with the client."""
        await self._to_relay.ended()

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decides what happens, and masks the keys. It happens once other addons agree."""
        try:
            await self._begin(flow)
        except Exception as error:  # noqa: BLE001  (what was not judged is not passed on)
            if handed_over := self._to_relay.find(flow):
                self._to_relay.answered_by_another(handed_over, "")
            fail(flow, error)

    async def _begin(self, flow: http.HTTPFlow) -> None:
        if not flow.live:
            self._loaded(flow)
            return
        self._retention.came_through(flow)
        if flow.error:
            # mitmproxy refuses it as invalid HTTP, and does not know yet for which host it is.
            mask_unreadable(flow.request)
            flow.error.msg = mask_quoted(flow.error.msg)
            return
        config = await self._settings.current()
        request = flow.request
        replayed = flow.is_replay == "request" and original_url(flow)
        if replayed:
            original = parts_of(replayed)
            found = Destination(original, find_provider(config.providers, *original[1:3]))
        else:
            found = destination_of(flow, config.providers)
            original = found.parts
        provider = found.provider
        if provider is None:
            self._leave_alone(flow)
            return
        decision = decide(
            config,
            provider,
            request.method,
            original[3],
            request.headers,
            key=None if replayed else api_key_of(request) or "",  # a replay's is masked
        )
        work = decision.work
        at_provider = bool(replayed) and is_for_provider(flow)
        begin_notes(
            flow,
            url=replayed or url_of(*original),
            provider=provider.name,
            operation=decision.operation,
        )
        if decision.operation and not replayed:
            work = self._check_client(flow, config) or work
        if decision.operation and self._settings.problem:
            work = misconfigured(
                f"The interceptor's configuration cannot be used. {self._settings.problem}",
                "configuration_invalid",
            )
        if isinstance(work, PassOn) or config.falls_back_to_provider:
            work = too_many_keys(request) or work
        work = found.problem or work
        if not self._descriptors.admit_call():
            mask_keys(request)
            await self._refuse(flow, no_room(), config, original, decision.operation)
            return
        if isinstance(work, PassOn):
            request.path = clean_path(request.path)
            self._passing.hide_keys(flow)
            self._status_page.answer(flow)  # in reverse mode, every host is the provider's
            if decision.operation:
                self._passing.began(flow, decision.operation, provider)
            judged = target_of(request)
            after_others(flow, lambda: self._passing.pass_on(flow, config, judged))
            return
        as_made = None
        if at_provider and isinstance(work, Generate):
            work, as_made = _at_provider(work, provider, provider_call(provider, request, original))
        elif config.falls_back_to_provider and isinstance(work, Generate) and not replayed:
            as_made = provider_call(provider, request, original)
        mask_keys(request)
        handed_over = await self._to_relay.prepare(
            flow,
            work,
            config,
            (*original[:3], mask_path(original[3])),
            provider=as_made,
            operation=decision.operation,
        )
        if replayed:
            handed_over.show_asked()
        after_others(flow, lambda: self._to_relay.hand_over(handed_over))

    def _leave_alone(self, flow: http.HTTPFlow) -> None:
        """A request over HTTP to another host: mitmproxy would hold a body of any size (M38)."""
        self._status_page.answer(flow)
        flow.request.stream = not flow.response and not self._passing.may_hold(flow)

    async def _refuse(
        self,
        flow: http.HTTPFlow,
        error: ApiError,
        config: Config,
        original: Parts,
        operation: Operation | None,
    ) -> None:
        """Answers a call with an error, without the relay: the way there takes descriptors."""
        where = (*original[:3], mask_path(original[3]))
        handed_over = await self._to_relay.prepare(flow, error, config, where, operation=operation)
        progress = handed_over.progress
        self._to_relay.take_back(flow)
        progress.fail(error)
        flow.request.stream = False  # with an answer that is there, mitmproxy would crash
        # Without its connection, the app takes no descriptor, either.
        request_id = progress.call.request_id
        flow.response = _response(error, connection="close", **{"x-request-id": request_id})
        self._ended(flow, progress, left=False)

    def _loaded(self, flow: http.HTTPFlow) -> None:
        """A flow from a file: mitmproxy calls the hooks for it as if it came in anew."""
        config = self._settings.config
        found = destination_of(flow, config.providers)
        provider, request = found.provider, flow.request
        if original_url(flow):
            mask_keys(request)
        if provider is None or original_url(flow):
            return
        decision = decide(config, provider, request.method, request.path, request.headers)
        note(
            flow,
            url=url_of(*found.parts),
            provider=provider.name,
            operation=decision.operation,
        )
        mask_keys(request)

    def _check_client(self, flow: http.HTTPFlow, config: Config) -> ApiError | None:
        """Which app it is, kept with the flow; or the error for one that is not listed."""
        if not config.client_keys:
            return None
        key = api_key_of(flow.request)
        client = name_of_client(key, config.client_keys)
        note(flow, client=client)
        return None if client else invalid_api_key(key)

    @contained
    def request(self, flow: http.HTTPFlow) -> None:
        """A streamed request is out now: its keys are masked, its body is there to look at."""
        handed_over = self._to_relay.find(flow)
        if handed_over:
            handed_over.progress.receive(held=self._settings.intercepting)
            flow.request.headers.pop("proxy-authorization", None)  # mitmproxy's, for its upstream
            if handed_over.pointed:
                handed_over.keep_request_body()
                after_others(flow, lambda: self._to_relay.hand_over_rest(handed_over))
        else:
            self._passing.hide_more(flow)
        if self._passing.was_heard(flow):
            raise exceptions.AddonHalt

    @contained
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Shows where the call really went, and lets the answer through as it comes."""
        assert flow.response
        handed_over = self._to_relay.find(flow)
        if handed_over is None:
            _mask_taken_over(flow)
            self._passing.begin_answer(flow)
            return
        handed_over.begin_answer()
        if handed_over.progress.streamed and not change_answers(flow):
            self._live.began(flow, handed_over.stream_response())
        else:
            handed_over.stream_large_answer()

    @contained
    def response(self, flow: http.HTTPFlow) -> None:
        """Gives the flow the body of a streamed answer, to look at and to save."""
        handed_over = self._to_relay.take_back(flow)
        if handed_over is None or flow.response is None:
            self._passing.ended(flow)
            return
        progress = handed_over.progress
        handed_over.show_upstream()  # a stream may have begun before it was known
        if handed_over.answer or not handed_over.pointed:
            # Such as mitmproxy's server replay.
            self._to_relay.answered_by_another(handed_over)
            return
        if not progress.answered:
            # The relay's HTTP server refused what was made for it.
            error = ApiError(
                400, "The request is not valid HTTP.", "invalid_request_error", "invalid_request"
            )
            progress.fail(error)
            flow.response = _response(error, **{"x-request-id": progress.call.request_id})
        elif not handed_over.keep_response_body():
            progress.pass_on()
        self._ended(flow, progress, left=False)

    @contained
    def error(self, flow: http.HTTPFlow) -> None:
        """The app left, or something failed: nothing of the call stays behind."""
        handed_over = self._to_relay.take_back(flow)
        assert flow.error
        flow.error.msg = mask_quoted(flow.error.msg)
        if handed_over is None:
            _mask_taken_over(flow)
            self._passing.ended(flow)
            return
        handed_over.show_upstream()
        if flow.error.msg == flow.error.KILLED_MESSAGE and not handed_over.pointed:
            self._to_relay.answered_by_another(handed_over)
            return
        handed_over.keep_response_body()
        self._ended(flow, handed_over.progress, left=not handed_over.progress.complete)

    def client_disconnected(self, client: connection.Client) -> None:
        """An app has left. mitmproxy does not always end its flows then (FACTS M54)."""
        flows = [*self._to_relay.flows_of(client), *self._passing.flows_of(client)]
        if flows:
            asyncio.get_running_loop().call_later(_ENDED_BY_THEN, self._end_forgotten, flows)

    def _end_forgotten(self, flows: list[http.HTTPFlow]) -> None:
        for each in flows:
            if self._to_relay.find(each) or self._passing.follows(each):
                each.error = each.error or Error("Client disconnected.")
                each.live = False
                self.error(each)

    def _ended(self, flow: http.HTTPFlow, progress: Progress, *, left: bool) -> None:
        self._live.ended(flow)
        report = report_of(
            progress,
            flow.response.status_code if flow.response else None,
            left=left,
            path=urlsplit(original_url(flow) or "").path,
        )
        note_report(flow, report)
        self._monitor.ended(progress, report, noted(flow, "provider"))
        if is_read(logging.INFO):
            log_call(report)


def _response(error: ApiError, **headers: str) -> http.Response:
    return http.Response.make(error.status, error.body(), {**error.response_headers(), **headers})


def _at_provider(
    work: Generate, provider: Provider, as_made: ProviderCall
) -> tuple[Generate | ApiError, ProviderCall | None]:
    """The work, and the call with the key of the person who replays it."""
    if problem := key_problem(provider, as_made.url):
        return misconfigured(problem, "provider_key_missing"), None
    return replace(work, at_provider=True), with_key(as_made, os.environ[OPENAI_API_KEY])


def _mask_taken_over(flow: http.HTTPFlow) -> None:
    """Masks the keys of a request to a provider, whatever the configuration says by now."""
    if original_url(flow):
        mask_keys(flow.request)
