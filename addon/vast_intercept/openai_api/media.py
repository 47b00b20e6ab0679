"""What an image or audio file is: its format, size in pixels, length. Pure, and never fails.

Only headers are read, which takes microseconds, however large the file is. What they say is not
checked against the rest.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .audio_formats import audio_format, audio_length
from .image_formats import image_format, image_size
from .outline import Buffer


@dataclass(frozen=True, slots=True)
class Media:
    """An image or audio file. What its headers do not say is None."""

    kind: Literal["image", "audio"]
    #: As people call it: PNG, JPEG, GIF, WebP; WAV, MP3, FLAC, Ogg, AAC, M4A, MP4, WebM.
    format: str
    width: int | None = None
    height: int | None = None
    #: The length of audio.
    seconds: float | None = None


def media_of(data: Buffer, size: int | None = None) -> Media | None:
    """Recognizes a file by how it begins. None if it is of no format that is known here.

    `data` may be only the beginning of the file, if `size` says how many bytes all of it has: a
    length that is at the file's end is not known then.
    """
    size = len(data) if size is None else size
    if image := image_format(data):
        width, height = _unless_cut(lambda: image_size(data, image)) or (None, None)
        return Media("image", image, width, height)
    if audio := audio_format(data):
        return Media("audio", audio, seconds=_unless_cut(lambda: audio_length(data, size, audio)))
    return None


def _unless_cut[T](read: Callable[[], T]) -> T | None:
    """What a header says, or None if it is cut."""
    try:
        return read()
    except (struct.error, IndexError):
        return None
