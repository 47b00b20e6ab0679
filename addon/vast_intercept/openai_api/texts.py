"""What a long JSON text says, piece by piece."""

import re
from collections.abc import Iterator

import msgspec

from .limits import STEP
from .members import DECODE_ERRORS

# The beginning of an escape with four digits, RFC 8259 section 7.
_CUT_DIGITS = re.compile(rb"\\u[0-9a-fA-F]{0,3}$")
_text = msgspec.json.Decoder(str)


def plain_pieces(text: memoryview) -> Iterator[bytes]:
    """Yields what a JSON text says, as UTF-8, in pieces of at most 64 KiB.

    `text` is valid JSON without its quotes. Some apps escape each `/` of base64. A piece whose
    escapes cannot be read on their own, such as half of a surrogate pair, is yielded as it is.
    """
    position = 0
    while position < len(text):
        piece = bytes(text[position : position + STEP])
        position += len(piece)
        if b"\\" in piece:
            cut = _length_of_cut_escape(piece) if position < len(text) else 0
            position -= cut
            piece = _unescaped(piece[: len(piece) - cut])
        yield piece


def _length_of_cut_escape(piece: bytes) -> int:
    """How many bytes at the end of a piece are the beginning of an escape."""
    match = _CUT_DIGITS.search(piece)
    before = piece[: match.start()] if match else piece
    is_escaped = (len(before) - len(before.rstrip(b"\\"))) % 2
    if match:
        return 0 if is_escaped else len(match[0])
    return is_escaped


def _unescaped(piece: bytes) -> bytes:
    try:
        return _text.decode(b'"%b"' % piece).encode()
    except DECODE_ERRORS:
        return piece
