"""Reads a recording, whichever form it has."""

import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from ...config import Provider
from ...mitm.flow_files import begins_as_flow_file
from ..calls import RecordedCall, Unusable
from .conversations import Conversations
from .flow_file import calls_of_flow_file
from .har import read_har
from .json_lines import calls_of_json_lines, why_no_json_lines
from .recording_error import RecordingError
from .strangers import Strangers

__all__ = ["RecordingError", "read_recording"]

#: How many parts that cannot be used are told one by one.
MAX_TOLD = 1_000

_HEAD = 4096
_AS_HAR = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"log"\s*:')
# How files begin that have to become others first.
_NOT_PLAIN = {
    b"\x1f\x8b": "is compressed with gzip: decompress it first",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard: decompress it first",
    b"PK\x03\x04": "is a ZIP archive: extract it first",
    b"\xff\xfe": "is UTF-16 text: save it as UTF-8 first",
    b"\xfe\xff": "is UTF-16 text: save it as UTF-8 first",
}


def read_recording(
    path: Path, providers: Iterable[Provider] | None = None
) -> Iterator[RecordedCall | Unusable]:
    """The calls of a recording, in the order in which it has them, one at a time.

    The file is a flow file of mitmproxy, a HAR file, or has a request body of OpenAI's API or a
    line of its Batch API on each line. Calls to none of the `providers`, by default those of the
    built-in table, are left out, and counted in one `Unusable` at the end. A call that continues a
    response of its provider has that conversation as its own input. Raises RecordingError
    if the file cannot be read, is empty, or is none of these; except for a disk that fails, with
    the first call.
    Of more than MAX_TOLD parts that cannot be used the last is told for all of the rest.
    """
    strangers = Strangers(providers)
    unusable = 0
    try:
        with _opened(path) as file, closing(Conversations()) as conversations:
            for each in _calls(path, file, strangers):
                found = each if isinstance(each, Unusable) else conversations.completed(each)
                unusable += isinstance(found, Unusable)
                if isinstance(found, RecordedCall) or unusable <= MAX_TOLD:
                    yield found
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}.") from None
    if unusable > MAX_TOLD:
        more = unusable - MAX_TOLD
        yield Unusable(place=f"{more:,} more", why="They cannot be used either.", calls=more)
    if told := strangers.told():
        yield told


def _opened(path: Path) -> BinaryIO:
    try:
        status = path.stat()
    except ValueError as error:  # a null character
        raise RecordingError(f"{path} cannot be read: {error}.") from None
    # A pipe would keep `open` waiting, and cannot be read twice.
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise RecordingError(f"{path} is {kind}, and a recording is a file.")
    return path.open("rb")


def _calls(path: Path, file: BinaryIO, strangers: Strangers) -> Iterator[RecordedCall | Unusable]:
    head = file.read(_HEAD)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise RecordingError(f"{path} is empty.")
    for beginning, problem in _NOT_PLAIN.items():
        if head.startswith(beginning):
            raise RecordingError(f"{path} {problem}.")
    file.seek(0)
    if begins_as_flow_file(head):
        return calls_of_flow_file(file, strangers)
    # A HAR file without line breaks is a JSON line, too.
    no_lines = "" if _AS_HAR.match(head) else why_no_json_lines(file)
    file.seek(0)
    if not (no_lines or _AS_HAR.match(head)):
        return calls_of_json_lines(file, strangers)
    try:
        return read_har(file).calls(strangers)
    except RecordingError as error:
        no_har = str(error)
    if not no_lines:
        file.seek(0)
        no_lines = why_no_json_lines(file)
    raise RecordingError(
        f"{path} is not a recording. It was tried as a flow file of mitmproxy (it does not begin"
        f" with the length of a flow), as HAR ({no_har}), and as JSON lines ({no_lines})."
    )
