"""Formats of pictures, and their size in pixels, from how a file begins. Pure."""

from struct import unpack_from

from .outline import Buffer

type ImageFormat = tuple[str, int | None, int | None]
"""A format's name, width and height."""

# W3C, PNG, section 5.2; the header with the size is the first chunk (section 11.2.1).
_PNG = b"\x89PNG\r\n\x1a\n"
# ITU-T T.81, table B.1: markers that begin a frame, which says its size.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_MOST_SEGMENTS = 500


def image_format(data: Buffer) -> ImageFormat | None:
    """Format and size of a picture. None if it is none of those that models take.

    Raises `struct.error` or IndexError if `data` ends within the header.
    """
    if data.startswith(_PNG):
        return "PNG", *unpack_from(">II", data, 16)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF", *unpack_from("<HH", data, 6)
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG", *_size_of_jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP", *_size_of_webp(data)
    return None


def _size_of_jpeg(data: Buffer) -> tuple[int | None, int | None]:
    """The size that the first frame states. Metadata before it may be longer than `data`."""
    position = 2
    for _ in range(_MOST_SEGMENTS):
        if position + 9 > len(data) or data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker in _FRAMES:
            height, width = unpack_from(">HH", data, position + 5)
            return width, height
        if marker == 0xFF:  # fill bytes, section B.1.1.2
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            (length,) = unpack_from(">H", data, position + 2)
            position += 2 + length
    return None, None


def _size_of_webp(data: Buffer) -> tuple[int | None, int | None]:
    """The size as RFC 9649 has it, for each of the three kinds."""
    kind = data[12:16]
    if kind == b"VP8X":  # section 2.7
        width, height = (int.from_bytes(data[start : start + 3], "little") for start in (24, 27))
        return width + 1, height + 1
    if kind == b"VP8L":  # section 3.4: after a byte 0x2f, 14 bits each
        (bits,) = unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":  # RFC 6386, section 9.1
        width, height = unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None, None
