"""From an app's request to the relay, and the relay's answer back to the app."""

import asyncio
import os
import re
import time
import uuid
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from aiohttp.http import SERVER_SOFTWARE
from mitmproxy import ctx, hooks, http

from ..config import Config
from ..inspect.call_log import log_call
from ..inspect.live import LiveStreams
from ..inspect.monitor import Monitor
from ..inspect.report import CallReport, Ending, report_of
from ..inspect.retention import Retention
from ..inspect.wording import waiting_comment
from ..openai_api.errors import ApiError, bad_request, misconfigured
from ..openai_api.operations import Operation, clean_path
from ..providers import Provider, find_provider
from ..relay.call import Answer, Call, Generate, ProviderCall
from ..relay.server import Relay
from ..secret import Secret
from .clients import invalid_api_key, name_of_client
from .connections import Connections
from .decide import PassOn, decide
from .destination import Destination, Parts, destination_of
from .handover import HandedOver
from .masking import api_key_of, mask_keys, mask_path
from .notes import begin_notes, mark, note, note_report, noted, original_url, say
from .provider_call import parts_of, provider_call, url_of, with_key
from .replay import OPENAI_API_KEY, is_for_provider, key_problem
from .settings import Settings
from .status import StatusPage

_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


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
    ) -> None:
        self._settings = settings
        self._relay = relay
        self._monitor = monitor
        self._live = live
        self._retention = retention
        self._status_page = status_page
        self._connections = connections
        self._handed_over: dict[str, HandedOver] = {}
        self._on_to_provider: WeakKeyDictionary[http.HTTPFlow, tuple[Operation, Provider]] = (
            WeakKeyDictionary()
        )
        self._none_left = asyncio.Event()

    async def ended(self) -> None:
        """Returns once no call is with the relay any more, and its answer with the client."""
        while self._handed_over:
            self._none_left.clear()
            await self._none_left.wait()
        # mitmproxy goes on when the last hook has returned.
        await asyncio.sleep(0.05)

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decides, masks the keys, and hands the call to the relay."""
        if not flow.live:
            self._loaded(flow)
            return
        self._retention.came_through(flow)
        if flow.error:
            # mitmproxy refuses it as invalid HTTP, and does not know yet for which host it is.
            mask_keys(flow.request)
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
            self._status_page.answer(flow)
            return
        if flow.response:
            mask_keys(request)  # another addon has answered already
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
        work = found.problem or work
        if isinstance(work, PassOn):
            request.path = clean_path(request.path)
            self._status_page.answer(flow)  # in reverse mode, every host is the provider's
            self._connections.passes_on(flow)
            request.stream = True
            if decision.operation:
                self._on_to_provider[flow] = decision.operation, provider
                say(flow, f"on to {provider.name}")
                mark(flow, Ending.PASSED_ON)
            return
        as_made = None
        if at_provider and isinstance(work, Generate):
            work, as_made = _at_provider(work, provider, provider_call(provider, request, original))
        elif config.falls_back_to_provider and isinstance(work, Generate) and not replayed:
            as_made = provider_call(provider, request, original)
        mask_keys(request)
        await self._hand_over(
            flow,
            work,
            config,
            (*original[:3], mask_path(original[3])),
            provider=as_made,
            operation=decision.operation,
        )

    def _loaded(self, flow: http.HTTPFlow) -> None:
        """A flow from a file: mitmproxy calls the hooks for it as if it came in anew."""
        config = self._settings.config
        found = destination_of(flow, config.providers)
        provider, request = found.provider, flow.request
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

    def _passed_on(self, flow: http.HTTPFlow) -> None:
        """A call that went on to its provider, untouched, has ended."""
        passed_on = self._on_to_provider.pop(flow, None)
        if passed_on is None:
            return
        operation, provider = passed_on
        report = CallReport(
            request_id=_request_id_of(flow.request) or "-",
            time=time.time(),
            outcome=Ending.PASSED_ON,
            operation=operation,
            client=noted(flow, "client") or str((flow.client_conn.peername or ("-",))[0]),
            endpoint=provider.name,
            status=flow.response.status_code if flow.response else None,
            duration=time.time() - flow.request.timestamp_start,
        )
        note_report(flow, report)
        self._monitor.passed_on(report)
        log_call(report)

    def _check_client(self, flow: http.HTTPFlow, config: Config) -> ApiError | None:
        """Which app it is, kept with the flow; or the error for one that is not listed."""
        if not config.client_keys:
            return None
        key = api_key_of(flow.request)
        client = name_of_client(key, config.client_keys)
        note(flow, client=client)
        return None if client else invalid_api_key(key)

    async def _hand_over(
        self,
        flow: http.HTTPFlow,
        work: Answer | ApiError | Generate,
        config: Config,
        original: Parts,
        *,
        provider: ProviderCall | None,
        operation: Operation | None,
    ) -> None:
        """Points the flow at the relay."""
        if self._relay.address is None:
            await self._relay.start()
        assert self._relay.address
        call = Call(
            work=work,
            config=config,
            request_id=_request_id_of(flow.request) or f"req_{uuid.uuid4().hex}",
            max_body=self._settings.max_body,
            client=flow.client_conn.peername,
            provider=provider,
            operation=operation,
            client_name=noted(flow, "client"),
        )
        if isinstance(work, Generate) and work.at_provider:
            call.sent(Secret(os.environ[OPENAI_API_KEY]))
        handed_over = HandedOver(
            flow, self._relay.prepare(call), call, original, self._relay.address
        )
        self._handed_over[flow.id] = handed_over
        self._monitor.began(call)
        call.changed = lambda: _show_now(handed_over)
        handed_over.point_at_relay()

    def request(self, flow: http.HTTPFlow) -> None:
        """A streamed request is out now: its keys are masked, its body is there to look at."""
        handed_over = self._find(flow)
        if handed_over:
            timing = handed_over.call.outcome.timing
            timing.received = time.perf_counter()
            timing.held = self._settings.intercepting
            flow.request.headers.pop("proxy-authorization", None)  # mitmproxy's, for its upstream
            if timing.held:
                handed_over.show_until_resumed(lambda: self._judge_edited(handed_over))
        if flow.request.raw_content is not None:
            return
        if handed_over is None:
            _mask_taken_over(flow)
        else:
            handed_over.keep_request_body()

    def _judge_edited(self, handed_over: HandedOver) -> None:
        """A person has made another call of one that was held; its body, the relay judges."""
        flow, call = handed_over.flow, handed_over.call
        config, request = call.config, flow.request
        found = destination_of(flow, config.providers)
        provider = found.provider
        not_for_this_app = config.client_keys and not call.client_name
        if provider is None or not_for_this_app or self._settings.problem:
            return
        decision = decide(config, provider, request.method, request.path, request.headers)
        work = found.problem or decision.work
        if isinstance(work, PassOn):
            # Its keys are masked by now.
            work = bad_request(
                f"The call was held in mitmproxy, and edited into one for {provider.name}, which"
                " cannot be passed on from there.",
                "edited_call_not_served",
            )
        call.work, call.operation, call.provider = work, decision.operation, None
        note(flow, url=url_of(*handed_over.original), operation=decision.operation)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Shows where the call really went, and lets the answer through as it comes."""
        assert flow.response
        handed_over = self._find(flow)
        if handed_over is None:
            _mask_taken_over(flow)
            if flow.response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
                flow.response.stream = True
            return
        handed_over.show_upstream()
        if handed_over.call.outcome.streamed:
            self._live.began(flow, handed_over.stream_response())

    def response(self, flow: http.HTTPFlow) -> None:
        """Gives the flow the body of a streamed answer, to look at and to save."""
        handed_over = self._take_back(flow)
        if handed_over is None or flow.response is None:
            self._passed_on(flow)
            return
        call = handed_over.call
        handed_over.show_upstream()  # a stream may have begun before it was known
        if not call.outcome.answered:
            if flow.response.headers.get("server") != SERVER_SOFTWARE:
                # Another addon has answered, such as mitmproxy's server replay.
                say(flow, "answered by another addon")
                self._monitor.answered_by_another(call)
                return
            # The relay's HTTP server refused what mitmproxy took, such as an unheard-of method.
            error = ApiError(
                400, "The request is not valid HTTP.", "invalid_request_error", "invalid_request"
            )
            call.outcome.error = error
            flow.response = http.Response.make(
                error.status,
                error.body(),
                {**error.response_headers(), "x-request-id": call.request_id},
            )
        elif not handed_over.keep_response_body():
            call.outcome.timing.passed_on = time.perf_counter()
        self._ended(flow, call, left=False)

    def error(self, flow: http.HTTPFlow) -> None:
        """The app left, or something failed: nothing of the call stays behind."""
        handed_over = self._take_back(flow)
        if handed_over is None:
            _mask_taken_over(flow)
            self._passed_on(flow)
            return
        handed_over.show_upstream()
        handed_over.keep_response_body()
        self._ended(flow, handed_over.call, left=not handed_over.app_has_all())

    def _ended(self, flow: http.HTTPFlow, call: Call, *, left: bool) -> None:
        self._live.ended(flow)
        report = report_of(
            call,
            flow.response.status_code if flow.response else None,
            left=left,
            path=urlsplit(original_url(flow) or "").path,
        )
        note_report(flow, report)
        self._monitor.ended(call, report)
        log_call(report)

    def _find(self, flow: http.HTTPFlow) -> HandedOver | None:
        """A flow that was loaded from a file may have the id of one that is on its way."""
        handed_over = self._handed_over.get(flow.id)
        return handed_over if handed_over and handed_over.flow is flow else None

    def _take_back(self, flow: http.HTTPFlow) -> HandedOver | None:
        handed_over = self._find(flow)
        if handed_over:
            del self._handed_over[flow.id]
            self._relay.forget(handed_over.token)
            handed_over.call.changed = _nothing  # so that neither keeps the other in memory
        if not self._handed_over:
            self._none_left.set()
        return handed_over


def _show_now(handed_over: HandedOver) -> None:
    """Has mitmweb show how a call is doing that has no answer yet."""
    handed_over.show_upstream()
    say(handed_over.flow, waiting_comment(handed_over.call.outcome))
    ctx.master.addons.trigger(hooks.UpdateHook([handed_over.flow]))


def _at_provider(
    work: Generate, provider: Provider, as_made: ProviderCall
) -> tuple[Generate | ApiError, ProviderCall | None]:
    """The work, and the call with the key of the person who replays it."""
    if problem := key_problem(provider, as_made.url):
        return misconfigured(problem, "provider_key_missing"), None
    return replace(work, at_provider=True), with_key(as_made, os.environ[OPENAI_API_KEY])


def _request_id_of(request: http.Request) -> str | None:
    """The app's own, if it has a good one."""
    request_id = request.headers.get("x-request-id", "")
    return request_id if _REQUEST_ID.fullmatch(request_id) else None


def _nothing() -> None:
    pass


def _mask_taken_over(flow: http.HTTPFlow) -> None:
    """Masks the keys of a request to a provider, whatever the configuration says by now."""
    if original_url(flow):
        mask_keys(flow.request)
