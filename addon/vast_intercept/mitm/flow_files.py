"""Flow files, read flow by flow: whatever bytes a file has, memory and time stay bounded.

mitmproxy's `FlowReader` reads valid files. It ends at the first flow that it cannot read, asks for
as much memory as a length says, and takes lengths that do not fit together (FACTS M73).
"""

import os
import re
from collections.abc import Iterator
from typing import BinaryIO

from mitmproxy.flow import Flow
from mitmproxy.io import FlowReader

#: Bytes of a flow, head, bodies and notes together. A larger one is not read.
MAX_FLOW = 32 * 1024 * 1024

# A file begins with a flow's length, and that with the length and the name of its first member.
_BEGINNING = re.compile(rb"\d{1,12}:\d{1,2}:[a-z_]+[;,]")
_LENGTH = re.compile(rb"(\d{1,12}):")
_LONGEST_LENGTH = 13
_DICTIONARY = b"}"
_CONTAINERS = b"]}"
# A flow's messages, certificates and metadata are nested less than ten deep.
_MAX_DEPTH = 64
# An empty value has three bytes in a file, and a hundred in memory.
_MAX_VALUES = 500_000

_CUT = "The file ends in the middle of it."


def begins_as_flow_file(head: bytes) -> bool:
    """Whether a file whose first bytes are these is a flow file, perhaps a damaged one."""
    return bool(_BEGINNING.match(head))


def read_flows(file: BinaryIO) -> Iterator[Flow | str]:
    """Each flow of an open file, or why it cannot be read, for a person to read.

    The file must be seekable. After a part that is no flow, nothing more can be found, and it ends.
    """
    size = file.seek(0, os.SEEK_END)
    start = 0
    while start < size:
        file.seek(start)
        head = _LENGTH.match(file.read(_LONGEST_LENGTH))
        if head is None:
            yield "What stands here is not a flow, and nothing after it can be read."
            return
        content, end = start + head.end(), start + head.end() + int(head[1])
        if end >= size:
            yield _CUT
            return
        yield _read(file, start, content, end)
        start = end + 1


def _read(file: BinaryIO, start: int, content: int, end: int) -> Flow | str:
    if end - content > MAX_FLOW:
        return f"It has {end - content:,} bytes, which is more than the {MAX_FLOW:,} that are read."
    file.seek(content)
    if not _fits_together(file.read(end - content)) or file.read(1) != _DICTIONARY:
        return "It is damaged."
    file.seek(start)
    try:
        return next(iter(FlowReader(file).stream()))
    # It is mitmproxy's code that meets values of any kind here: of old versions, or damaged.
    except Exception as error:  # noqa: BLE001
        return f"mitmproxy cannot read it: {str(error)[:2_000] or type(error).__name__}."


def _fits_together(content: bytes) -> bool:
    """Whether each value within a dictionary ends before the one that it is in."""
    position, ends = 0, [len(content)]
    for _ in range(_MAX_VALUES):
        if position == ends[-1]:
            ends.pop()
            if not ends:
                return True
            position += 1
            continue
        head = _LENGTH.match(content, position, ends[-1])
        end = head.end() + int(head[1]) if head else ends[-1]
        if head is None or end >= ends[-1]:
            return False
        if content[end] not in _CONTAINERS:
            position = end + 1
        elif len(ends) < _MAX_DEPTH:
            ends.append(end)
            position = head.end()
        else:
            return False
    return False
