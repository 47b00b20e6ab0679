"""Reads JSON that an app sent, and says in OpenAI's way what is wrong with it, and where. Pure."""

import re
from collections.abc import Iterable

import msgspec

from .error_codes import ErrorCode
from .errors import ApiError, bad_request
from .members import NULL, UnreadObject, any_object
from .outline import Buffer

_BOM = b"\xef\xbb\xbf"

# msgspec ends its messages with the place: "... - at `$.messages[0].content`"
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$(?P<place>.*)`)?", re.DOTALL)

_LONGEST_SHOWN = 100  # characters of a value that an error repeats

# Bytes of a list whose entries are not looked at before they are split.
_SPLIT_AT_ONCE = 16 * 1024


_objects = msgspec.json.Decoder(list[UnreadObject])
_raws = msgspec.json.Decoder(list[msgspec.Raw])


def read_members(body: Buffer) -> dict[str, msgspec.Raw]:
    """The members of a body that must be a JSON object. Raises ApiError (400) if it is not."""
    check_text(body)
    return decode(any_object, body, "")


def check_text(body: Buffer) -> None:
    """Raises ApiError (400) for a body that is empty, or not UTF-8 without a byte order mark."""
    if not body or body.isspace():
        raise not_json("is empty: it must be a JSON object")
    if body.startswith(_BOM):
        raise not_json(
            "starts with a byte order mark (BOM), which JSON must not (RFC 8259, section 8.1): send"
            " plain UTF-8"
        )
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise not_json(f"is not valid UTF-8 (at byte {error.start})") from None


def decode[T](decoder: msgspec.json.Decoder[T], value: Buffer | msgspec.Raw, place: str) -> T:
    """Decodes what stands at `place` of the body; the body itself is at "".

    Raises ApiError (400) for another type, and for what is not JSON. Its `param` is the place.
    """
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        assert match
        param = (place + (match["place"] or "")).removeprefix(".")
        if not param:
            raise not_json("must be a JSON object") from None
        raise invalid_type(param, f"{match['what'][:1].lower()}{match['what'][1:]}") from None
    except RecursionError:
        raise not_json("is nested too deeply", place or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # Such as half of a surrogate pair, which msgspec accepts within a `Raw`.
        where = f" in {place!r}" if place else ""
        raise not_json(f"is not valid JSON{where}: {error}", place or None) from None


def split_objects(value: msgspec.Raw, place: str) -> list[msgspec.Raw]:
    """The objects of a list, unread. Raises ApiError (400) if one of them is none.

    A list of a million numbers, which an outline does not count, ends at its first.
    """
    if len(value) > _SPLIT_AT_ONCE:
        decode(_objects, value, place)
    return decode(_raws, value, place)


def shown(value: str) -> str:
    """An app's own word as an error repeats it: its beginning."""
    return value[:_LONGEST_SHOWN]


def first_byte(value: msgspec.Raw) -> bytes:
    """What a value begins with, which tells its type: such as `{`, `[`, a quote, or n of null."""
    return bytes(memoryview(value)[:1])


def is_null(value: msgspec.Raw) -> bool:
    """Whether a value of a JSON text is null, or is not there."""
    return value == NULL


def not_json(problem: str, param: str | None = None) -> ApiError:
    """The error for a body that is not JSON. `problem` follows "The request body"."""
    return bad_request(f"The request body {problem}.", ErrorCode.INVALID_JSON, param)


def missing(param: str) -> ApiError:
    """The error for something that must be there."""
    return bad_request(
        f"Missing required parameter: {param!r}.", ErrorCode.MISSING_REQUIRED_PARAMETER, param
    )


def invalid_type(param: str, problem: str) -> ApiError:
    """The error for a value of a wrong JSON type, such as "expected `str`, got `int`"."""
    return bad_request(f"Invalid type for {param!r}: {problem}.", ErrorCode.INVALID_TYPE, param)


def not_served(message: str, param: str) -> ApiError:
    """The error for a parameter, or a value of it, that OpenAI has and Vast does not."""
    return bad_request(message, ErrorCode.UNSUPPORTED_PARAMETER, param)


def invalid_value(param: str, value: str, supported: Iterable[str]) -> ApiError:
    """The error for a word that is none of those that are supported."""
    words = ", ".join(f"'{word}'" for word in supported)
    return bad_request(
        f"Invalid value: {shown(value)!r}. Supported values are: {words}.",
        ErrorCode.INVALID_VALUE,
        param,
    )
