"""Which types of files a worker takes, and how a file that was uploaded is named for it.

The worker, and OpenAI, tell the type by the name's extension (FACTS V17).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_request
from ..openai_api.media import media_of
from .form import File, Part, UploadedForm

# What counts as an extension: the end of "talk of 3.12 at noon" is none.
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,8}")
_DIRECTORY = re.compile(r".*[/\\]", re.DOTALL)
# The worker takes dots and white space away from the beginning, and perhaps the extension's dot.
_DOTS = re.compile(r"^[\s.]+")
_LONGEST_STEM = 100  # characters

_LOOKED_AT = 16  # bytes


@dataclass(frozen=True, slots=True)
class FileTypes:
    """The types of one kind of files."""

    #: Extensions that the worker knows, each with the content type that it makes of it.
    content_types: Mapping[str, str]
    #: Extensions under which the same is known elsewhere.
    aliases: Mapping[str, str]
    #: What files without an extension are, by their content type.
    by_content_type: Mapping[str, str]

    @property
    def shown(self) -> list[str]:
        """The extensions that an app may use, as OpenAI's error lists them."""
        return sorted({*self.content_types, *self.aliases})


AUDIO = FileTypes(
    {
        "flac": "audio/flac",
        "m4a": "audio/mp4",
        "mp3": "audio/mpeg",
        "mp4": "audio/mp4",
        "mpeg": "audio/mpeg",
        "mpga": "audio/mpeg",
        "ogg": "audio/ogg",
        "wav": "audio/wav",
        "webm": "audio/webm",
    },
    {"oga": "ogg"},
    {
        **dict.fromkeys(("audio/flac", "audio/x-flac"), "flac"),
        **dict.fromkeys(("audio/mp4", "audio/m4a", "audio/x-m4a"), "m4a"),
        **dict.fromkeys(("audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/mpeg3"), "mp3"),
        **dict.fromkeys(("audio/ogg", "application/ogg", "audio/opus", "audio/vorbis"), "ogg"),
        **dict.fromkeys(("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"), "wav"),
        **dict.fromkeys(("audio/webm", "video/webm"), "webm"),
        **dict.fromkeys(("video/mp4",), "mp4"),
        **dict.fromkeys(("video/mpeg",), "mpeg"),
    },
)

IMAGES = FileTypes(
    {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"},
    {},
    {
        "image/png": "png",
        **dict.fromkeys(("image/jpeg", "image/jpg"), "jpg"),
        "image/webp": "webp",
    },
)


def file_of(form: UploadedForm, part: Part, types: FileTypes) -> File:
    """A part as the file that a worker takes. Raises ApiError (400) if it takes no such file."""
    data = form.data(part)
    if not data:
        raise bad_request(
            f"The file {part.name!r} is empty. Send it again, from its beginning.",
            ErrorCode.INVALID_VALUE,
            part.name,
        )
    name = _DIRECTORY.sub("", part.filename or "")
    stem, dot, extension = name.rpartition(".")
    if dot and _EXTENSION.fullmatch(extension):
        extension = extension.lower()
        known = types.aliases.get(extension, extension)
    else:
        stem = name
        known = types.by_content_type.get(part.content_type) or _by_beginning(data)
    if known not in types.content_types:
        raise bad_request(
            f"Invalid file format. Supported formats: {types.shown}",
            ErrorCode.INVALID_VALUE,
            part.name,
        )
    stem = _DOTS.sub("", stem)[:_LONGEST_STEM] or "file"
    return File(part.name, f"{stem}.{known}", types.content_types[known], data)


def _by_beginning(data: memoryview) -> str:
    media = media_of(bytes(data[:_LOOKED_AT]), len(data))
    return media.format.lower() if media else ""
