"""Finds the objects of a JSON array without making values of them. Pure."""

import re
from collections.abc import Iterator

# A text, of which nothing counts, or what opens or closes something. `*+` gives nothing back, and
# so remembers nothing of a long text.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)
_OPENING = b"[{"
_CLOSING = b"]}"


def objects_in(array: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """Where each object and each list begins and ends that is an entry of the array itself.

    `array` must be valid JSON. Other entries, such as numbers, are left out. However many entries
    there are, no memory is needed for them.

    >>> [b'[{"a": 1}, 2, {}]'[start:end] for start, end in objects_in(b'[{"a": 1}, 2, {}]')]
    [b'{"a": 1}', b'{}']
    """
    depth = start = 0
    for token in _TOKEN.finditer(array):
        first = array[token.start()]
        if first in _OPENING:
            depth += 1
            if depth == 2:
                start = token.start()
        elif first in _CLOSING:
            if depth == 2:
                yield start, token.end()
            depth -= 1
