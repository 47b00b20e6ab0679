"""Audio and an image that the check sends, made in code so that no file is needed. Pure."""

import io
import math
import struct
import wave
import zlib

_RATE = 16_000  # samples a second: what speech models hear best
_PITCH = 440  # hertz
_LOUDNESS = 8_000  # of 32,767
_RED = b"\xd0\x20\x20"


def second_of_sound() -> bytes:
    """A tone of one second as a WAV file, 16 bits, mono."""
    samples = (
        round(_LOUDNESS * math.sin(2 * math.pi * _PITCH * number / _RATE))
        for number in range(_RATE)
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(_RATE)
        written.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


def red_square(side: int) -> bytes:
    """A PNG file (https://www.w3.org/TR/png-3/) that is red all over. `side` is in pixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)  # 8 bits for each of red, green, blue
    rows = (b"\0" + _RED * side) * side
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
