"""Images and audio in words: `PNG 640x480, 12 kB`. Pure, and never fails."""

import base64
import binascii

from ...openai_api.media import Media, media_of
from ...openai_api.outline import Buffer
from ...openai_api.shortening import length_of
from ...telemetry.wording import byte_count, seconds

_SHOWN = 80  # characters of a URL or of a media type
_BASE64 = "base64"


def file_text(data: Buffer, size: int | None = None, otherwise: str = "") -> str:
    """What a file is, by its beginning, and how large.

    `size` is the whole file's, in bytes. `otherwise` stands for a format that is not known.
    """
    size = len(data) if size is None else size
    media = media_of(data, size)
    words = [_media(media) if media else otherwise, byte_count(size)]
    return ", ".join(filter(None, words))


def base64_text(text: str, otherwise: str = "") -> str:
    """What is in base64, which may have been shortened."""
    beginning, length = length_of(text)
    padding = len(text) - len(text.rstrip("=")) if length == len(text) else 0
    return file_text(_decoded(beginning), max(length * 3 // 4 - padding, 0), otherwise)


def url_text(url: str) -> str:
    """A URL's beginning, or what is in a `data:` URL (RFC 2397)."""
    if url.startswith("data:"):
        head, comma, data = url.partition(",")
        kind, _, coding = head.removeprefix("data:").rpartition(";")
        if comma and coding == _BASE64:
            return base64_text(data, kind[:_SHOWN])
    return url if len(url) <= _SHOWN else f"{url[:_SHOWN]}…"


def _media(media: Media) -> str:
    if media.width and media.height:
        return f"{media.format} {media.width}x{media.height}"
    return f"{media.format}, {seconds(media.seconds)}" if media.seconds else media.format


def _decoded(text: str) -> bytes:
    whole = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(whole[: len(whole) // 4 * 4])
    except (binascii.Error, ValueError):  # no base64; or not even ASCII
        return b""
