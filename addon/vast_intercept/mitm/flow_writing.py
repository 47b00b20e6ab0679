"""A file of flows, in mitmproxy's own format, that grows by whole flows (FACTS M70)."""

import contextlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

from mitmproxy.io import tnetstring

from .flow_files import begins_as_flow_file
from .saving import append_whole

# Only its owner may read the file: prompts are in it.
_MODE = 0o600
_LENGTH = re.compile(rb"(\d{1,12}):")
_ENOUGH_TO_TELL = 64
_END_OF_FLOW = b"}"


class FlowFileError(Exception):
    """The file cannot be written to. The message says why, and what to do."""


class FileFullError(Exception):
    """With the flow, the file would become larger than it may. It takes no more flows."""


class FlowFile:
    """A file of flows that is open for appending. Whoever opens it closes it."""

    def __init__(self, path: Path, file: io.FileIO, *, is_new: bool, cut: int = 0) -> None:
        self.path = path
        #: Bytes of a flow at its end that was not whole, and that was taken off when it was opened.
        self.cut = cut
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self._is_new = is_new
        self._is_full = False

    @classmethod
    def open(cls, option: str) -> "FlowFile":
        """Opens the file that an option names: a new one, or with a `+` before it, any.

        Raises FlowFileError.
        """
        path = Path(option.removeprefix("+")).expanduser()
        may_exist = option.startswith("+")
        is_new = not path.exists()
        flags = os.O_RDWR | os.O_CREAT | (0 if may_exist else os.O_EXCL)
        flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            file = io.FileIO(os.open(path, flags, _MODE), "r+")
        except FileExistsError:
            raise FlowFileError(
                f"{path} exists already. Name another file, or append to it with +{path}."
            ) from None
        except OSError as error:
            raise FlowFileError(f"{path} cannot be written: {error.strerror}.") from None
        try:
            _lock(file, path)
            size = os.fstat(file.fileno()).st_size
            whole = _whole_flows(file, path)
            file.truncate(whole)
            file.seek(whole)
            _keep_private(file)
        except OSError as error:
            file.close()
            raise FlowFileError(f"{path} cannot be written: {error.strerror}.") from None
        except FlowFileError:
            file.close()
            raise
        return cls(path, file, is_new=is_new, cut=size - whole)

    def append(self, content: bytes, limit: int) -> None:
        """Writes all of it, or leaves the file as it was and raises OSError.

        Raises FileFullError if the file would have more than `limit` bytes then, and from then on.
        """
        if self._is_full or self.size + len(content) > limit:
            self._is_full = True
            raise FileFullError
        append_whole(self._file, memoryview(content))
        self.size = self._file.tell()

    def close(self) -> None:
        """Closes the file. One that was made here, and got nothing, is removed."""
        self._file.close()
        if self._is_new and not self.size:
            self.path.unlink(missing_ok=True)


def bytes_of(state: dict[str, Any]) -> bytes:
    """A flow's state in the format of flow files. Raises ValueError for what that cannot hold."""
    written: bytes = tnetstring.dumps(state)
    return written


def _whole_flows(file: io.FileIO, path: Path) -> int:
    """How many bytes of the file are whole flows. Raises FlowFileError if it is no such file.

    A flow that was appended after one that is cut could not be read.
    """
    size, at = os.fstat(file.fileno()).st_size, 0
    while at < size:
        file.seek(at)
        head = file.read(_ENOUGH_TO_TELL)
        length = _LENGTH.match(head)
        end = at + length.end() + int(length[1]) if length else at
        file.seek(end)
        is_whole = file.read(1) == _END_OF_FLOW
        if not begins_as_flow_file(head) or (end < size and not is_whole):
            raise FlowFileError(
                f"{path} has something in it that is not a flow, from byte {at:,} on. Name another"
                " file."
            )
        if not is_whole:
            break
        at = end + 1
    return at


def _keep_private(file: io.FileIO) -> None:
    """Takes the file from all but its owner, also one that others could read before."""
    with contextlib.suppress(OSError):  # it is somebody else's, or on a disk without modes
        os.fchmod(file.fileno(), _MODE)


def _lock(file: io.FileIO, path: Path) -> None:
    """Keeps a second recording out of the file: both would take off what the other writes."""
    if sys.platform == "win32":
        return
    import fcntl  # noqa: PLC0415  (Windows has none)

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FlowFileError(f"{path} is being recorded to already. Name another file.") from None
    except OSError:
        return  # some file systems over a network have no locks
