"""Reads a recording, whichever form it has."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from ...config import Provider
from ...mitm.flow_files import begins_as_flow_file
from ..calls import RecordedCall, Unusable
from .flow_file import calls_of_flow_file
from .recording_error import RecordingError
from .strangers import Strangers

__all__ = ["RecordingError", "read_recording"]

_HEAD = 4096


def read_recording(
    path: Path, providers: Iterable[Provider] | None = None
) -> Iterator[RecordedCall | Unusable]:
    """The calls of a recording, in the order in which it has them, one at a time.

    The file is a flow file of mitmproxy, a HAR file, or has a request body of OpenAI's API or a
    line of its Batch API on each line. Calls to none of the `providers`, by default those of the
    built-in table, are left out, and counted in one `Unusable` at the end. Raises RecordingError,
    at the latest with the first call: if the file cannot be read, is empty, or is none of these.
    """
    strangers = Strangers(providers)
    with _opened(path) as file:
        yield from _calls(path, file, strangers)
    if told := strangers.told():
        yield told


def _opened(path: Path) -> BinaryIO:
    try:
        # A pipe would keep `open` waiting, and cannot be read twice.
        if not stat.S_ISREG(path.stat().st_mode):
            raise RecordingError(f"{path} is not a file.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise RecordingError(f"{path} cannot be read: {why}.") from None


def _calls(path: Path, file: BinaryIO, strangers: Strangers) -> Iterator[RecordedCall | Unusable]:
    head = file.read(_HEAD)
    if not head:
        raise RecordingError(f"{path} is empty.")
    file.seek(0, os.SEEK_SET)
    if begins_as_flow_file(head):
        yield from calls_of_flow_file(file, strangers)
    else:
        raise RecordingError(f"{path} is no recording.")
