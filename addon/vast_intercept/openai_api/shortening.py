"""Shortens base64 in JSON, which a person cannot read, and which makes bodies large. Pure.

A shortened text is still JSON, and its strings say how long they were. Only quotes are looked for,
and the ends of what is between them, so that a MB takes less than a millisecond.
"""

import re
from collections import deque
from collections.abc import Generator, Iterable

from .limits import STEP
from .outline import Buffer

# Characters from which on base64 is shortened, and that remain of it: enough for an image with
# much metadata, as long as all of them together stay few.
_LONG = 4 * 1024
_KEPT = 64 * 1024
_KEPT_OF_ALL = 512 * 1024
_KEPT_OF_OTHERS = 256

# Quotes in a step. Where there are more, strings are short, and looking at each takes time.
_FEW_QUOTES = 200
_ENDS = 128
_BASE64 = re.compile(rb"[A-Za-z0-9+/=_-]*")
_DATA_URL = re.compile(rb"data:[\w/;.+=-]{0,100},")
_MARK = re.compile(r"…\[\+(\d{1,15}) characters\]\Z")


def shorten_base64(body: Buffer) -> bytes:
    """The JSON text with long base64 shortened, though not so much that no header can be read."""
    made = _Shortened(_KEPT)
    deque(made.read([body]), maxlen=0)
    return made.text()


def shorten_in_steps(pieces: Iterable[Buffer | memoryview]) -> Generator[None, None, bytes]:
    """The JSON text that the pieces make together, with little left of long base64.

    Long words count as base64, too, since that of zeros, such as silence, looks like one: `AAAA`.
    """
    made = _Shortened(_KEPT_OF_OTHERS, words=False)
    yield from made.read(pieces)
    return made.text()


def length_of(text: str) -> tuple[str, int]:
    """What remains of a string that may have been shortened, and how long it was."""
    mark = _MARK.search(text, max(len(text) - 40, 0))
    if mark is None:
        return text, len(text)
    return text[: mark.start()], mark.start() + int(mark[1])


class _Shortened:
    def __init__(self, kept: int, *, words: bool = True) -> None:
        #: Long words may be there, which are no base64.
        self._words = words
        self._parts: list[bytes] = []
        #: Bytes of base64 that may be kept of a string, and that were kept: of all, and of this.
        self._may_keep, self._kept, self._kept_of_string = kept, 0, 0
        #: The present string is base64, of which so many bytes are left out.
        self._in_base64, self._left_out = False, 0

    def read(self, pieces: Iterable[Buffer | memoryview]) -> Generator[None]:
        """Takes a text in pieces, in steps."""
        for piece in pieces:
            for start in range(0, len(piece), STEP):
                first, quote, rest = bytes(piece[start : start + STEP]).partition(b'"')
                self._add(first)
                if quote:
                    self._add_strings(rest)
                yield

    def text(self) -> bytes:
        """All that was read."""
        self._end_string()
        return b"".join(self._parts)

    def _add_strings(self, text: bytes) -> None:
        """Adds a quote and what follows on it."""
        few = text.count(b'"') <= _FEW_QUOTES
        for part in text.split(b'"') if few else [text]:
            self._end_string()
            self._parts.append(b'"')
            self._add(part)

    def _add(self, part: bytes) -> None:
        """Adds what is within one string, or between two, or a piece of it."""
        if not (self._in_base64 and _is_base64(part)):
            self._end_string()
            self._in_base64 = len(part) >= _LONG and _begins_base64(part, words=self._words)
        if not self._in_base64:
            self._parts.append(part)
            return
        room = min(self._may_keep - self._kept_of_string, _KEPT_OF_ALL - self._kept)
        kept = 0 if self._left_out else max(room, _KEPT_OF_OTHERS - self._kept_of_string, 0)
        self._parts.append(part[:kept])
        self._kept += len(part[:kept])
        self._kept_of_string += len(part[:kept])
        self._left_out += len(part[kept:])

    def _end_string(self) -> None:
        if self._left_out:
            self._parts.append(f"…[+{self._left_out} characters]".encode())
        self._in_base64, self._left_out, self._kept_of_string = False, 0, 0


def _begins_base64(part: bytes, *, words: bool) -> bool:
    url = _DATA_URL.match(part)
    data = part[url.end() :] if url else part
    # What is in one case only is a long word, or no text at all.
    start = data[:_ENDS]
    is_word = words and start in {start.lower(), start.upper()}
    return _is_base64(data) and not is_word


def _is_base64(part: bytes) -> bool:
    return bool(_BASE64.fullmatch(part[:_ENDS]) and _BASE64.fullmatch(part[-_ENDS:]))
