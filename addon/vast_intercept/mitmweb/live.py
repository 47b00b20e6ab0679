"""Streams that mitmproxy's user interfaces show while they grow."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

from mitmproxy import http

from ..mitm.master import is_watched, show_anew
from ..repeating import repeat

# How often a stream is shown anew, in seconds; and which part of all time that may take here. What
# is more waits for the next turn, so that watching many streams does not slow them.
_INTERVAL = 0.25
_SHARE = 0.05
# Bytes a second: a page reads all of a stream each time, so that a long one is shown less often.
_SHOWN_PER_SECOND = 4_000_000


class Recording(Protocol):
    """What has arrived of a stream so far, and how many bytes that is. `body` may be given up."""

    @property
    def size(self) -> int: ...

    @property
    def body(self) -> bytes | None: ...


@dataclass(slots=True)
class _Stream:
    flow: http.HTTPFlow
    recording: Recording
    shown: int = 0  # bytes
    next_turn: float = 0.0

    def show(self, now: float) -> None:
        size, body = self.recording.size, self.recording.body
        self.shown = size
        self.next_turn = now + size / _SHOWN_PER_SECOND
        if self.flow.response and body is not None:
            self.flow.response.data.content = body
            show_anew([self.flow])


class LiveStreams:
    """Gives flows the part of their answer that has arrived, again and again.

    The app gets its bytes on another way, at once. Where nobody watches, nothing is done.
    """

    name = "vast_live"

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}
        self._task: asyncio.Task[None] | None = None

    def began(self, flow: http.HTTPFlow, recording: Recording) -> None:
        """Shows a stream's flow from now on, while a person watches."""
        self._streams[flow.id] = _Stream(flow, recording)

    def ended(self, flow: http.HTTPFlow) -> None:
        """Shows the flow no more: its stream has ended."""
        self._streams.pop(flow.id, None)

    def running(self) -> None:
        """Starts the task that shows streams."""
        showing = repeat(self._show, _INTERVAL, "Showing streams")
        self._task = asyncio.create_task(showing, name="show streams")

    def done(self) -> None:
        """Ends the task that shows streams."""
        if self._task:
            self._task.cancel()

    def _show(self) -> None:
        """Shows streams until the time is used up, those first that waited for longest."""
        if not self._streams or not is_watched():
            return
        end = time.perf_counter() + _INTERVAL * _SHARE
        for name, stream in list(self._streams.items()):
            if (now := time.perf_counter()) > end:
                return
            if stream.recording.size != stream.shown and now >= stream.next_turn:
                stream.show(now)
                self._streams[name] = self._streams.pop(name)
