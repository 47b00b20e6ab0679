"""Makes recorded calls on Vast, as the interceptor makes those of apps."""

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from mitmproxy import connection, ctx, http
from mitmproxy.proxy.mode_specs import ProxyMode

from ...config import Config
from ...intercept.addon import VastIntercept
from ...intercept.provider_call import url_of
from ...mitm.replaying import replay
from ...mitmweb.notes import note
from ...openai_api.error_codes import ErrorCode
from ...secret import Secrets
from ...telemetry.report import CallReport, Ending
from ..calls import Answer, RecordedCall, RehearsedCall
from .results import CallKey, Results, ResultsError

# With any of these, what is wrong is the key: all other calls would get the same.
_KEY_ERRORS = frozenset(
    {
        *(ErrorCode.VAST_KEY_MISSING, ErrorCode.VAST_KEY_REFUSED),
        *(ErrorCode.MACHINE_KEY_MISSING, ErrorCode.MACHINE_KEY_REFUSED),
    }
)
#: Bytes of the bodies of calls that run: with more, fewer run at a time. On its way from here to
#: Vast, through mitmproxy and the relay, each takes about five times as much memory.
MOST_HELD = 16 * 1024 * 1024
# How often a call is made again for which this machine had no room, and seconds until then.
_MOST_TRIES = 60
_AGAIN = 1.0
# What comes of a call that was ended from here is no result.
_ENDED_HERE = frozenset({ErrorCode.CALL_ENDED, ErrorCode.INTERCEPTOR_SHUTTING_DOWN})

# How the request ids of these calls begin.
_OURS = "rehearsal_"
# All of ASCII that a URL can hold: nothing of one is encoded but what HTTP cannot send.
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class ObjectionError(Exception):
    """No call is to be made. The message is for a person."""


class KeyRefusedError(Exception):
    """A call had no answer for want of a valid key. The message is for a person."""


@dataclass(kw_only=True)
class Work:
    """The calls that are to be made, and what came of making them."""

    calls: Iterator[tuple[CallKey, RecordedCall]]
    results: Results
    concurrency: int
    #: Keys that no result may show.
    keys: Secrets = field(default_factory=Secrets)
    #: Says why no call is to be made with the configuration that mitmproxy has found, or nothing.
    objection: Callable[[Config], str] = lambda _: ""
    #: Told of each call that has ended, with what came of it.
    ended: Callable[[RehearsedCall], None] = lambda _: None
    #: Told of what a person should know at once.
    said: Callable[[str], None] = lambda _: None

    #: Calls that were made, and whose results are kept.
    made: int = 0
    #: Whether it was told to stop before all calls were made.
    interrupted: bool = False
    #: Why no more calls were made.
    problem: Exception | None = None


class Replayer:
    """An addon that makes the calls, and ends mitmproxy then.

    A first SIGINT or SIGTERM has it begin no more calls and wait for those that run; a second one
    has it abandon these.
    """

    name = "vast_replayer"

    def __init__(self, interceptor: VastIntercept, work: Work) -> None:
        self._work = work
        self._interceptor = interceptor
        self._stopped = False
        self._reading = asyncio.Lock()
        #: How many calls run.
        self._running = 0
        #: Bytes of their bodies.
        self._held = 0
        self._one_ended = asyncio.Event()
        #: Calls that were begun, of which the recording may have another that asks for the same.
        self._begun: set[CallKey] = set()
        self._reports: dict[str, CallReport] = {}
        self._task: asyncio.Task[None] | None = None
        self._makers: list[asyncio.Task[None]] = []
        interceptor.tell_of_each_call(self._told)

    def running(self) -> None:
        """Begins to make the calls."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: mitmproxy ends at once
                loop.add_signal_handler(number, self._interrupt)
        self._task = asyncio.create_task(self._run(), name="rehearse")

    async def done(self) -> None:
        """Abandons the calls that still run."""
        if self._task and not self._task.done():
            self._work.interrupted = self._stopped = True
            self._abandon()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            if objection := self._work.objection(self._interceptor.config):
                raise ObjectionError(objection)  # noqa: TRY301  (it ends as all others do)
            self._work.results.begin(self._work.concurrency)
            makers = range(self._work.concurrency)
            self._makers = [asyncio.create_task(self._make_calls()) for _ in makers]
            await asyncio.gather(*self._makers, return_exceptions=True)
        except (ResultsError, ObjectionError) as error:
            self._stop_for(error)
        finally:
            ctx.master.shutdown()

    def _stop_for(self, error: Exception) -> None:
        """Begins no more calls, for something that is wrong."""
        self._stopped = True
        if self._work.problem is None:
            self._work.problem = error

    def _interrupt(self) -> None:
        work = self._work
        if self._stopped:
            work.interrupted = True
            self._abandon()
            return
        self._stopped = work.interrupted = True
        if self._running:
            work.said(
                f"Interrupted. Running calls are waited for ({self._running}); a second signal"
                " abandons them."
            )

    def _abandon(self) -> None:
        for maker in self._makers:
            maker.cancel()

    async def _make_calls(self) -> None:
        try:
            # Nothing of a call is held here while the next one is waited for.
            while await self._make_next():
                pass
        except Exception as error:  # noqa: BLE001  (it is told once all calls have ended)
            self._stop_for(error)

    async def _make_next(self) -> bool:
        """Makes the next call. False if there is none."""
        found = await self._next()
        if found is None:
            return False
        size = len(found[1].body)
        self._running, self._held = self._running + 1, self._held + size
        try:
            await self._make(*found)
        finally:
            self._running, self._held = self._running - 1, self._held - size
            self._one_ended.set()
        return True

    async def _next(self) -> tuple[CallKey, RecordedCall] | None:
        """The next call that has no result yet."""
        async with self._reading:
            while not self._stopped:
                # In a thread, so that reading a large call does not delay the others.
                found = await asyncio.to_thread(next, self._work.calls, None)
                if found is None:
                    return None
                if not self._stopped and self._is_new(found[0]):
                    await self._wait_for_room(len(found[1].body))
                    return None if self._stopped else found
        return None

    async def _wait_for_room(self, size: int) -> None:
        """Waits until the bodies of the calls that run leave room for one more."""
        while self._held and self._held + size > MOST_HELD:
            self._one_ended.clear()
            await self._one_ended.wait()

    def _is_new(self, key: CallKey) -> bool:
        if key in self._begun or self._work.results.has(key):
            return False
        self._begun.add(key)
        return True

    async def _make(self, key: CallKey, call: RecordedCall) -> None:
        rehearsed = await self._rehearsed(call)
        for _ in range(_MOST_TRIES):
            if rehearsed.report.error != ErrorCode.INTERCEPTOR_OVERLOADED or self._stopped:
                break
            # Large calls at a time that no app would make are no reason to count one as not served.
            await asyncio.sleep(_AGAIN)
            rehearsed = await self._rehearsed(call)
        code = rehearsed.report.error
        if code in _KEY_ERRORS:
            self._stop_for(KeyRefusedError(rehearsed.report.error_message or code))
        elif code == ErrorCode.INTERCEPTOR_OVERLOADED and self._stopped:
            pass  # it was not tried as often as it may be
        elif code not in _ENDED_HERE:
            self._work.results.keep(key, rehearsed)
            self._work.made += 1
            self._work.ended(rehearsed)

    async def _rehearsed(self, call: RecordedCall) -> RehearsedCall:
        """Makes the call, and returns what came of it."""
        request_id = f"{_OURS}{uuid.uuid4().hex}"
        try:
            flow = flow_of(call, request_id)
        except ValueError as error:
            return RehearsedCall(answer=None, report=_refused(request_id, error))
        try:
            await replay(flow)
        finally:
            report = self._reports.pop(request_id, None)
        came = what_came(flow, report or _report_of(flow, request_id), self._work.keys)
        # mitmproxy holds the flow until the garbage collector comes by.
        flow.request.data.content = None
        if flow.response:
            flow.response.data.content = None
        return came

    def _told(self, report: CallReport) -> None:
        if report.request_id.startswith(_OURS):
            self._reports[report.request_id] = report


def flow_of(call: RecordedCall, request_id: str) -> http.HTTPFlow:
    """A flow that asks for what the recorded call has asked for.

    Raises ValueError if mitmproxy cannot send the like.
    """
    now = time.time()
    client = connection.Client(
        peername=("127.0.0.1", 0),
        sockname=("127.0.0.1", 0),
        timestamp_start=now,
        # Such as an upstream proxy.
        proxy_mode=ProxyMode.parse(ctx.options.mode[0]),
    )
    flow = http.HTTPFlow(client, connection.Server(address=None))
    flow.request = http.Request.make(
        call.method,
        quote(call.url, safe=_PRINTABLE, errors="surrogateescape"),
        call.body,
        http.Headers([(_encoded(name), _encoded(value)) for name, value in call.headers]),
    )
    flow.request.headers["x-request-id"] = request_id
    # As of a flow that was taken over before: it says what the app asked for.
    request = flow.request
    note(flow, url=url_of(request.scheme, request.host, request.port, request.path))
    return flow


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def what_came(flow: http.HTTPFlow, report: CallReport, keys: Secrets) -> RehearsedCall:
    """What the app would have got, with these keys masked."""
    response = flow.response
    if response is None:
        return RehearsedCall(answer=None, report=report)
    body = response.get_content(strict=False) if response.raw_content is not None else None
    answer = Answer(
        status=response.status_code,
        content_type=response.headers.get("content-type", ""),
        body=keys.redact_bytes(body or b""),
        whole=body is not None and flow.error is None,
        time_to_first_token=report.time_to_first_token,
        duration=report.duration,
    )
    return RehearsedCall(answer=answer, report=report)


def _report_of(flow: http.HTTPFlow, request_id: str) -> CallReport:
    """The report of a call that the interceptor tells nothing of.

    Another addon has answered it, or mitmproxy has crashed over it, which is a bug.
    """
    status = flow.response.status_code if flow.response else None
    answered = status is not None and status < 400
    crashed = "There was no answer: the log says why."
    return CallReport(
        request_id=request_id,
        time=time.time(),
        outcome=Ending.OK if answered else Ending.FAILED,
        status=status,
        error=None if answered else ErrorCode.INTERNAL_ERROR,
        error_message=None if answered else flow.error.msg if flow.error else crashed,
    )


def _refused(request_id: str, error: ValueError) -> CallReport:
    return CallReport(
        request_id=request_id,
        time=time.time(),
        outcome=Ending.REFUSED,
        error=ErrorCode.INVALID_REQUEST,
        error_message=f"mitmproxy cannot send the like: {error}.",
    )
