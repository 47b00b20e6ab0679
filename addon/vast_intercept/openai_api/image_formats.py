"""Formats of images, and their size in pixels, from how a file begins. Pure."""

from struct import unpack_from

from .outline import Buffer

type ImageSize = tuple[int | None, int | None]
"""Width and height in pixels."""

# W3C, PNG, section 5.2; the header with the size is the first chunk (section 11.2.1).
_PNG = b"\x89PNG\r\n\x1a\n"
# ITU-T T.81, table B.1: markers that begin a frame, which says its size.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_MOST_SEGMENTS = 500


def image_format(data: Buffer) -> str | None:
    """The format of an image that begins with `data`. None if it is none that models take."""
    if data.startswith(_PNG):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    return None


def image_size(data: Buffer, name: str) -> ImageSize:
    """The size of an image of this format.

    Raises `struct.error` or IndexError if `data` ends within the header.
    """
    match name:
        case "PNG":
            width, height = unpack_from(">II", data, 16)
        case "GIF":
            width, height = unpack_from("<HH", data, 6)
        case "JPEG":
            return _size_of_jpeg(data)
        case _:
            return _size_of_webp(data)
    return width, height


def _size_of_jpeg(data: Buffer) -> ImageSize:
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


def _size_of_webp(data: Buffer) -> ImageSize:
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
