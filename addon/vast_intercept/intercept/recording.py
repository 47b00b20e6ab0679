"""Records the calls of providers' APIs: each is written to a file of flows as it ends."""

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from weakref import WeakKeyDictionary

from mitmproxy import ctx, exceptions, http

from ..mitm.borrowed import parse_size
from ..mitm.flow_files import MAX_FLOW
from ..mitm.flow_writing import FileFullError, FlowFile, FlowFileError
from ..relay.memory import Share
from ..secret import Secret, Secrets
from ..status import Recorded
from .body_recorder import BodyRecorder
from .recorded_call import (
    EndedCall,
    NotRecordedError,
    as_recorded,
    configured_keys,
    keys_of_environment,
)
from .settings import Settings

logger = logging.getLogger(__name__)

_TOO_LARGE = "too large"
_CUT_REQUEST = "without all of the request"
_FULL = "beyond the limit of the file"
_FAILED = "that could not be written"
_RUNNING = "still running"


# Bytes that a flow has besides its bodies.
_ROOM_FOR_HEAD = 1024 * 1024
# Calls that wait to be written. A disk that hangs must not fill the memory with them.
_MOST_WAITING = 1_000


@dataclass(slots=True, kw_only=True)
class Passed:
    """What a call was besides its flow, which keeps neither bodies that passed nor keys."""

    operation: str
    keys: Secrets
    share: Share
    #: Those of bodies that passed in pieces.
    request: BodyRecorder | None
    answer: BodyRecorder | None
    #: The answer's own mark of its end has come, whatever happened to the connection then.
    complete: bool

    def forget(self) -> None:
        """Gives up the bodies, of a call that is not recorded."""
        for recorder in filter(None, (self.request, self.answer)):
            recorder.take()
        self.share.close()


class Recording:
    """Writes calls to a file in a thread of its own, so that a slow disk holds up no call."""

    name = "vast_recording"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._option = ""
        self._limit = 0
        self._file: FlowFile | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._writing: set[asyncio.Task[None]] = set()
        #: WebSockets that are open: they are written when they close.
        self._open: WeakKeyDictionary[http.HTTPFlow, Passed] = WeakKeyDictionary()
        #: What was recorded so far; None if nothing is to be.
        self.recorded: Recorded | None = None
        #: Why nothing is recorded at the moment, for a person to read; empty if calls are.
        self.trouble = ""
        self._is_full = False
        self._environment: list[Secret] = []

    # --- hooks --------------------------------------------------------------------------------

    def configure(self, updated: set[str]) -> None:
        """Opens the file when the option for it is set, and closes the one before."""
        if "vast_record_limit" in updated:
            self._limit = _size(ctx.options.vast_record_limit)
        option = ctx.options.vast_record
        if "vast_record" not in updated or option == self._option:
            return
        try:
            file = FlowFile.open(option) if option else None
        except FlowFileError as error:
            raise exceptions.OptionsError(str(error)) from None
        self._close_file()
        self._option, self._file = option, file
        self._begin(file)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """A WebSocket is closed: writes the flow, with its messages."""
        if passed := self._open.pop(flow, None):
            self._keep(flow, passed)

    # --- calls --------------------------------------------------------------------------------

    def ended(self, flow: http.HTTPFlow, passed: Passed) -> None:
        """A call has ended, and its flow says all that is told of it: records it."""
        if flow.response and flow.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self._open[flow] = passed
        else:
            self._keep(flow, passed)

    def _keep(self, flow: http.HTTPFlow, passed: Passed) -> None:
        file, recorded = self._file, self.recorded
        if file is None or recorded is None or flow.is_replay:
            passed.forget()
        elif why := self._why_not(flow, passed):
            recorded.leave_out(why)
            passed.forget()
        else:
            call = self._ended_call(flow, passed)
            # Before anything else is given to the thread, such as that the file is to be closed.
            written = asyncio.get_running_loop().run_in_executor(
                self._thread, _append, file, call, self._limit
            )
            task = asyncio.create_task(self._count(written, file, recorded, call))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def _why_not(self, flow: http.HTTPFlow, passed: Passed) -> str:
        """Which calls are left out, if this is one of them; else nothing.

        One whose answer is too large is recorded without it: what it asks for can be rehearsed.
        """
        if self._is_full:
            return _FULL
        if flow.request.timestamp_end is None:
            return _CUT_REQUEST
        if len(self._writing) >= _MOST_WAITING:
            return _FAILED
        if not (passed.request.is_kept if passed.request else flow.request.raw_content is not None):
            return _TOO_LARGE
        messages = flow.websocket.messages if flow.websocket else ()
        too_long = sum(len(each.content) for each in messages) > self._settings.recorded
        return _TOO_LARGE if too_long else ""

    def _ended_call(self, flow: http.HTTPFlow, passed: Passed) -> EndedCall:
        state = flow.get_state()
        bodies: list[list[bytes] | None] = []
        for name, recorder in (("request", passed.request), ("response", passed.answer)):
            message = state[name]
            whole = message.pop("content") if message else None
            bodies.append(recorder.take() if recorder else None if whole is None else [whole])
            if message:
                message["content"] = None
        if not _fits(bodies):
            bodies[1] = None  # what it asks for can be rehearsed without
        if passed.complete:
            state["error"] = None  # such as an app that leaves as soon as it has its answer
        keys = Secrets()
        keys.add(*passed.keys, *configured_keys(self._settings.config), *self._environment)
        return EndedCall(
            state=state,
            operation=passed.operation,
            request=bodies[0],
            answer=bodies[1],
            whole=bodies[1] is not None or flow.response is None or flow.error is not None,
            keys=keys,
            share=passed.share,
        )

    async def _count(
        self,
        written: asyncio.Future[Exception | None],
        file: FlowFile,
        recorded: Recorded,
        call: EndedCall,
    ) -> None:
        """Waits until the call is written, and counts it."""
        try:
            problem = await written
        finally:
            call.share.close()
        match problem:
            case None:
                recorded.add(call.operation, whole=call.whole)
                if self.trouble:
                    logger.warning("Calls are recorded again.")
                self.trouble = ""
            case NotRecordedError():
                recorded.leave_out(str(problem))
            case FileFullError():
                recorded.leave_out(_FULL)
                self._stop_at_limit(file)
            case _:  # the app's call is done, and others follow
                recorded.leave_out(_FAILED)
                why = problem.strerror if isinstance(problem, OSError) else None
                self._fail(file, why or type(problem).__name__)

    # --- the file -----------------------------------------------------------------------------

    def _begin(self, file: FlowFile | None) -> None:
        self.trouble, self._is_full = "", False
        if file is None:
            return
        self.recorded = Recorded(file=str(file.path))
        self._environment = keys_of_environment()
        self._thread = self._thread or ThreadPoolExecutor(1, "recording")
        if file.cut:
            logger.warning(
                "%s ended within a call, of which %d bytes were taken off.", file.path, file.cut
            )

    def _stop_at_limit(self, file: FlowFile) -> None:
        if not self._is_full:
            self._is_full = True
            self.trouble = (
                f"{file.path} would become larger than {self._limit:,} bytes (option"
                " vast_record_limit). Calls go on to their providers, and are not recorded any"
                " more."
            )
            logger.warning("%s", self.trouble)

    def _fail(self, file: FlowFile, why: str) -> None:
        if not self.trouble:
            self.trouble = (
                f"Calls are not recorded in {file.path}: {why}. They go on to their providers, and"
                " recording goes on once it can."
            )
            logger.warning("%s", self.trouble)

    def _close_file(self) -> None:
        if self._file and self._thread:
            self._thread.submit(self._file.close)  # after all that is to be written
        self._file = None

    async def close(self, running: int) -> None:
        """Waits until all is written, and closes the file. `running` calls have not ended."""
        await asyncio.gather(*self._writing)
        if self._file and self.recorded:
            for _ in range(running + len(self._open)):
                self.recorded.leave_out(_RUNNING)
            logger.info("%s%s", self.recorded, self.recorded.next_step)
        self._close_file()
        if self._thread:
            await asyncio.to_thread(self._thread.shutdown)
            self._thread = None


def _append(file: FlowFile, call: EndedCall, limit: int) -> Exception | None:
    """Writes the call, in the thread. Returns why it is not written, or None if it is.

    An error that is raised out of the thread keeps what its functions had, such as both bodies of
    the call, until the garbage collector comes by: it and the task that waits hold each other.
    """
    try:
        content = as_recorded(call)
        if len(content) > MAX_FLOW:
            return NotRecordedError(_TOO_LARGE)
        file.append(content, limit)
    except Exception as error:  # noqa: BLE001
        error.__context__ = None
        return error.with_traceback(None)
    return None


def _fits(bodies: Iterable[list[bytes] | None]) -> bool:
    """Whether a flow with these bodies can be read again."""
    return sum(len(piece) for body in bodies for piece in body or ()) <= MAX_FLOW - _ROOM_FOR_HEAD


def _size(text: str) -> int:
    try:
        size = parse_size(text)
    except ValueError:
        size = None
    if not size or size < 0:
        raise exceptions.OptionsError(
            f"vast_record_limit: {text!r} is not a size such as 500m or 4g."
        )
    return size
