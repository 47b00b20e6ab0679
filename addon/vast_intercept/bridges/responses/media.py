"""Images and audio in a Responses request."""

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.media_parts import MediaName, source_of
from ...openai_api.members import DECODE_ERRORS, NULL
from ...openai_api.modalities import Modality
from ...openai_api.reading import first_byte, invalid_type, invalid_value, is_null, missing
from ..media import Media, audio, image

#: The types of content parts with images and audio.
MEDIA_PARTS = frozenset({"input_image", "input_audio"})

# OpenAI's words for how closely an image is looked at, and vLLM's (FACTS V32).
_DETAILS = {"auto": "auto", "low": "low", "high": "high", "original": "high"}

_text = msgspec.json.Decoder(str)


class MediaFields(msgspec.Struct, gc=False):
    """The fields of a content part that may hold an image or audio."""

    type: str | None = None
    image_url: msgspec.Raw = NULL
    file_id: msgspec.Raw = NULL
    detail: msgspec.Raw = NULL
    input_audio: msgspec.Raw = NULL


class _Audio(msgspec.Struct, gc=False):
    data: msgspec.Raw = NULL
    format: msgspec.Raw = NULL


_audio = msgspec.json.Decoder(_Audio)


def media_of(part: MediaFields, place: str) -> Media | None:
    """The image or the audio of the content part at `place`; None if it is another part.

    What is wrong with it is in the name that it has, until it is known that somebody takes it.
    """
    if part.type == "input_image":
        return _image(part, place)
    if part.type == "input_audio":
        return _sound(part, place)
    return None


def _image(part: MediaFields, place: str) -> Media:
    source = f"{place}.image_url"
    detail = _detail(part.detail)
    problem = _problem_of_image(part, place, detail)
    name = MediaName(Modality.IMAGE, "input_image", place, source, problem)
    return image(name) if problem else image(name, part.image_url, detail)


def _problem_of_image(part: MediaFields, place: str, detail: str | None) -> ApiError | None:
    if not is_null(part.file_id):
        return bad_request(
            f"The image {place} is a file that OpenAI keeps, which no model here can see. Send it"
            " as 'image_url': a URL, or data:image/...;base64,...",
            ErrorCode.UNSUPPORTED_CONTENT,
            f"{place}.file_id",
        )
    if is_null(part.image_url):
        return missing(f"{place}.image_url")
    if first_byte(part.image_url) != b'"':
        return invalid_type(f"{place}.image_url", "expected a text")
    if detail is None and not is_null(part.detail):
        return invalid_value(f"{place}.detail", bytes(part.detail).decode().strip('"'), _DETAILS)
    return None


def _detail(value: msgspec.Raw) -> str | None:
    try:
        return _DETAILS.get(_text.decode(value))
    except DECODE_ERRORS:
        return None


def _sound(part: MediaFields, place: str) -> Media:
    inner = f"{place}.input_audio"
    data, problem = source_of(part.input_audio, "data", inner)
    name = MediaName(Modality.AUDIO, "input_audio", place, f"{inner}.data", problem)
    return audio(name) if problem else audio(name, data, _audio.decode(part.input_audio).format)
