"""Images in a Messages request. https://docs.anthropic.com/en/docs/build-with-claude/vision"""

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError
from ...openai_api.media_parts import MediaName
from ...openai_api.members import DECODE_ERRORS, NULL
from ...openai_api.modalities import Modality
from ...openai_api.reading import first_byte, is_null
from ..media import Media, image
from .refusals import not_served, refused, required

_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


class _Source(msgspec.Struct, gc=False):
    type: str | None = None
    media_type: str | None = None
    data: msgspec.Raw = NULL
    url: msgspec.Raw = NULL


_source = msgspec.json.Decoder(_Source)


def image_of(source: msgspec.Raw, place: str) -> Media:
    """The image of the block at `place` whose `source` this is.

    What is wrong with it is in the name that it has, until it is known that somebody takes it.
    """
    inner = f"{place}.source"
    try:
        read = _source.decode(source)
    except DECODE_ERRORS:
        what = "Field required" if is_null(source) else "Input should be an object"
        return _bad(place, refused(inner, what, ErrorCode.INVALID_TYPE))
    match read.type:
        case "base64":
            return _from_base64(read, place, inner)
        case "url":
            where = f"{inner}.url"
            return _bad_text(read.url, place, where) or image(_name(place, where), read.url)
        case "file":
            return _bad(place, not_served(inner, "file"))
        case None:
            return _bad(place, required(f"{inner}.type"))
        case _:
            return _bad(place, refused(f"{inner}.type", "Input should be 'base64' or 'url'"))


def _from_base64(source: _Source, place: str, inner: str) -> Media:
    where = f"{inner}.data"
    if source.media_type not in _TYPES:
        named = ", ".join(f"'{each}'" for each in _TYPES)
        return _bad(place, refused(f"{inner}.media_type", f"Input should be one of {named}"))
    if bad := _bad_text(source.data, place, where):
        return bad
    uri = b'"data:%b;base64,%b' % (source.media_type.encode(), bytes(source.data)[1:])
    return image(_name(place, where), msgspec.Raw(uri))


def _bad_text(value: msgspec.Raw, place: str, where: str) -> Media | None:
    if is_null(value):
        return _bad(place, required(where))
    if first_byte(value) != b'"':
        return _bad(place, refused(where, "Input should be a string", ErrorCode.INVALID_TYPE))
    return None


def _bad(place: str, problem: ApiError) -> Media:
    return image(_name(place, place, problem))


def _name(place: str, source: str, problem: ApiError | None = None) -> MediaName:
    return MediaName(Modality.IMAGE, "image", place, source, problem)
