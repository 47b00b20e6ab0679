"""mitmproxy's addons that keep flows: saving and logging with a full disk, and server replay.

Where a disk is full, mitmproxy's own end the process (FACTS M46).
"""

import errno
import io
import logging
import os
import stat
import time
from collections.abc import Callable, Hashable
from typing import Any, BinaryIO, cast

from mitmproxy import ctx, flow, flowfilter, http
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons import save, termlog
from mitmproxy.addons.serverplayback import ServerPlayback
from mitmproxy.io import FlowWriter

logger = logging.getLogger(__name__)

# Seconds until saving is tried again.
_TRY_AGAIN = 2.0


def keep_going(addons: AddonManager) -> None:
    """Replaces mitmproxy's own save and log addons by ones that a full disk does not end."""
    saving: Any = addons.get("save")
    if type(saving) is save.Save:
        saving.__class__ = SteadySave
        cast("SteadySave", saving).begin()
    log: Any = addons.get("termlog")
    if log is not None and type(log.logger) is termlog.TermLogHandler:
        log.logger.__class__ = SteadyLog


def trouble_with_saving() -> str:
    """Why no flows are saved at the moment, for a person to read; empty if they are."""
    saving = ctx.master.addons.get("save")
    return saving.trouble if isinstance(saving, SteadySave) else ""


class SteadySave(save.Save):
    """Writes whole flows or nothing, and goes on where it cannot write."""

    #: Why nothing is saved at the moment.
    trouble: str
    _missed: int
    _try_again: float

    def begin(self) -> None:
        """Completes mitmproxy's own addon after the change of class. It may have a file open."""
        self.trouble, self._missed, self._try_again = "", 0, 0.0
        self._unbuffer()

    def maybe_rotate_to_new_file(self) -> None:
        before = self.stream
        super().maybe_rotate_to_new_file()
        if self.stream is not before:
            self._unbuffer()

    def save_flow(self, flow: flow.Flow) -> None:
        self.active_flows.discard(flow)
        if ctx.options.save_stream_file:
            self._save(flow)

    def done(self) -> None:
        if self.stream:
            for unfinished in self.active_flows:
                self._save(unfinished)
        self.active_flows.clear()
        if self._missed:
            logger.warning("%d flows were not saved.", self._missed)
        self.trouble, self._missed = "", 0
        super().done()

    def _save(self, flow: flow.Flow) -> None:
        if self.filt and not flowfilter.match(self.filt, flow):
            return
        if self.trouble and time.monotonic() < self._try_again:
            self._missed += 1
            return
        try:
            if ctx.options.save_stream_file:
                self.maybe_rotate_to_new_file()
            assert self.stream
            whole = io.BytesIO()
            FlowWriter(whole).add(flow)
            append_whole(cast("io.FileIO", self.stream.fo), whole.getbuffer())
        except OSError as error:
            self._stopped(error)
        else:
            if self.trouble:
                logger.warning("Flows are saved again; %d were not.", self._missed)
            self.trouble, self._missed = "", 0

    def _stopped(self, error: OSError) -> None:
        self._missed += 1
        self._try_again = time.monotonic() + _TRY_AGAIN
        if not self.trouble:
            self.trouble = (
                f"Flows are not saved to {ctx.options.save_stream_file}: {error.strerror}. Calls"
                " are served as ever, and saving goes on once it can."
            )
            logger.warning("%s", self.trouble)

    def _unbuffer(self) -> None:
        """Takes the buffer off the file: a part of it could be written at any time, and stay."""
        if self.stream and isinstance(self.stream.fo, io.BufferedWriter):
            self.stream.fo = cast("BinaryIO", self.stream.fo.detach())


def append_whole(file: io.FileIO, content: memoryview) -> None:
    """Writes all of it, or leaves the file as it was and raises OSError."""
    status = os.fstat(file.fileno())
    try:
        while content:
            content = content[file.write(content) or 0 :]
    except OSError:
        if stat.S_ISREG(status.st_mode):
            file.truncate(status.st_size)
            file.seek(status.st_size)
        raise


class SteadyLog(termlog.TermLogHandler):
    """Leaves out lines that cannot be written; ends the process if the log's reader is gone."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=self.file)
        except OSError as error:
            if error.errno in {errno.EPIPE, errno.EBADF}:
                super().emit(record)  # ends the process


def match_asked_urls(asked: Callable[[http.HTTPFlow], str | None]) -> None:
    """Has server replay (`-S`) find answers by the URL that an app asked for, if `asked` knows it.

    A recorded flow shows where its call went, and a new one where it is to go (FACTS M33).
    """
    playback = ctx.master.addons.get("serverplayback")
    if not isinstance(playback, ServerPlayback):
        return

    def hash_of(flow: http.HTTPFlow) -> Hashable:
        url = asked(flow)
        if url is not None:
            shown, flow = flow, http.HTTPFlow(flow.client_conn, flow.server_conn)
            flow.request = shown.request.copy()
            flow.request.url = url
        return ServerPlayback._hash(playback, flow)  # noqa: SLF001

    playback._hash = hash_of  # type: ignore[method-assign]  # noqa: SLF001
    if playback.flowmap:
        playback.recompute_hashes()
