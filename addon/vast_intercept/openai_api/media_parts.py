"""Content parts of chat messages that hold an image or audio: found, and checked in steps.

An image may have tens of megabytes, and the outline of a large body has only its beginning. So
`media_part` finds parts without looking at what they hold, and `check_media` does that in steps,
once it is known that somebody takes them.
"""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from urllib.parse import urlsplit

import msgspec

from .error_codes import ErrorCode
from .errors import ApiError, bad_request
from .members import DECODE_ERRORS, NULL, RepeatedNameError, any_object, split_members
from .modalities import Modality
from .outline import Buffer, Outline
from .reading import first_byte, invalid_type, invalid_value, is_null, missing, not_json
from .texts import plain_pieces

#: Images and audio of one call.
MAX_MEDIA = 1_000

_FORMATS = ("wav", "mp3")

# JSON's white space, RFC 8259 section 2, and the comma between two entries of a list.
_BETWEEN = re.compile(rb"[ \t\n\r,]*")
_DATA_URI = re.compile(rb"data:(\w+)/[\w.+-]{1,100}(?:;[\w.+=-]{1,100}){0,4};base64,")
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NO_BASE64 = "expected valid base64"
_ENTRIES_IN_A_STEP = 500
# Bytes of a message or a part, besides its content, whose members are taken apart in one go.
_MOST_BESIDE = 64 * 1024


class PartMembers(msgspec.Struct, gc=False):
    """A content part of a chat message, as far as it is read."""

    type: str | None = None
    image_url: msgspec.Raw = NULL
    audio_url: msgspec.Raw = NULL
    input_audio: msgspec.Raw = NULL


class _Wanted(msgspec.Struct, gc=False):
    content: msgspec.Raw = NULL
    image_url: msgspec.Raw = NULL
    audio_url: msgspec.Raw = NULL
    input_audio: msgspec.Raw = NULL
    url: msgspec.Raw = NULL
    data: msgspec.Raw = NULL


class _Url(msgspec.Struct, gc=False):
    url: msgspec.Raw = NULL


class _Audio(msgspec.Struct, gc=False):
    data: msgspec.Raw = NULL
    format: msgspec.Raw = NULL


_wanted = msgspec.json.Decoder(_Wanted)
_url = msgspec.json.Decoder(_Url)
_audio = msgspec.json.Decoder(_Audio)
_text = msgspec.json.Decoder(str)
_raws = msgspec.json.Decoder(list[msgspec.Raw])

# By the type of a part: what it holds, and which member of its member has that.
_KINDS = {
    "image_url": (Modality.IMAGE, "url"),
    "audio_url": (Modality.AUDIO, "url"),
    "input_audio": (Modality.AUDIO, "data"),
}


@dataclass(frozen=True, slots=True)
class MediaName:
    """What an app calls an image or audio in its request, in whatever API."""

    modality: Modality
    #: The type of the content part.
    kind: str
    #: Where the part stands in the body, such as `messages[0].content[1]`.
    place: str
    #: Where its URL or its data stands.
    source: str
    #: What is wrong with the part. It is told only if somebody would take the part.
    problem: ApiError | None = None


@dataclass(frozen=True, slots=True)
class MediaPart:
    """An image or audio in the body of a chat completion."""

    name: MediaName
    #: The numbers of the message and of the part in it, and the names of members below that.
    path: tuple[int, int, str, str]
    #: Its URL or its data as JSON, shortened if it was read from an outline.
    text: msgspec.Raw


def media_part(part: PartMembers, message: int, index: int) -> MediaPart | None:
    """The image or the audio that a content part holds; None if that is of another type."""
    if part.type not in _KINDS:
        return None
    modality, member = _KINDS[part.type]
    place = f"messages[{message}].content[{index}]"
    inner = f"{place}.{part.type}"
    values = {"image_url": part.image_url, "audio_url": part.audio_url}
    value = values.get(part.type, part.input_audio)
    text, problem = source_of(value, member, inner)
    name = MediaName(modality, part.type, place, f"{inner}.{member}", problem)
    return MediaPart(name, (message, index, part.type, member), text)


def source_of(value: msgspec.Raw, member: str, place: str) -> tuple[msgspec.Raw, ApiError | None]:
    """The text in a member of the object at `place`, undecoded, and what is wrong with the object.

    `member` is `url`, or `data` of an object that has the format of audio as well.
    """
    if is_null(value):
        return NULL, missing(place)
    if first_byte(value) != b"{":
        # As a text, which is an old form, vLLM refuses it as well (FACTS V30).
        return NULL, invalid_type(place, f"expected an object with {member!r}")
    try:
        text = (_url.decode(value).url) if member == "url" else _audio.decode(value).data
    except DECODE_ERRORS as error:
        return NULL, not_json(f"is not valid JSON in {place!r}: {error}", place)
    if is_null(text):
        return NULL, missing(f"{place}.{member}")
    if first_byte(text) != b'"':
        return NULL, invalid_type(f"{place}.{member}", "expected a text")
    return text, _format_problem(value, place) if member == "data" else None


def _format_problem(value: msgspec.Raw, place: str) -> ApiError | None:
    """What is wrong with the `format` of an `input_audio` object at `place`, if anything is."""
    place = f"{place}.format"
    given = _audio.decode(value).format
    if is_null(given):
        return missing(place)
    if first_byte(given) != b'"':
        return invalid_type(place, "expected a text")
    try:
        form = _text.decode(given)
    except DECODE_ERRORS as error:
        return not_json(f"is not valid JSON in {place!r}: {error}", place)
    return None if form in _FORMATS else invalid_value(place, form, _FORMATS)


def renamed_media(media: Sequence[MediaPart], names: Sequence[MediaName]) -> tuple[MediaPart, ...]:
    """The parts under the names that they have in an app's request of another API, in order."""
    assert len(media) == len(names)
    return tuple(replace(part, name=name) for part, name in zip(media, names, strict=True))


def check_media(
    body: Buffer, made: Outline | None, media: Sequence[MediaPart]
) -> Generator[None, None, None]:
    """Checks URLs and data in steps. Raises ApiError (400) for the first that is wrong.

    `made` is the outline of a large body, from which the parts were read then.
    """
    for part in media:
        if part.name.problem:
            raise part.name.problem
    if made is None:
        for part in media:
            yield from _check(memoryview(part.text), part)
        return
    starts = yield from _starts(made.text, media)
    view = memoryview(body)
    for part in media:
        start = starts[part.path]
        span = slice(made.position(start), made.position(start + len(part.text)))
        yield from _check(view[span], part)


def _check(text: memoryview, part: MediaPart) -> Generator[None, None, None]:
    """Checks one JSON text, given with its quotes."""
    pieces = plain_pieces(text[1:-1])
    beginning = next(pieces, b"")
    if part.path[-1] == "url":
        uri = _DATA_URI.match(beginning)
        if uri is None:
            _check_url(beginning, is_whole=next(pieces, None) is None, part=part)
            return
        if uri[1] != part.name.modality.encode():
            raise _wrong(part, f"expected data of a type that begins with {part.name.modality}/")
        beginning = beginning[uri.end() :]
    yield from _check_base64(beginning, pieces, part)


def _check_url(text: bytes, *, is_whole: bool, part: MediaPart) -> None:
    modality = part.name.modality
    expected = f"expected a URL that begins with https:, http: or data:{modality}/"
    url = text.decode(errors="replace")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not is_whole or _NOT_IN_A_URL.search(url):
        raise _wrong(part, expected)


def _check_base64(
    piece: bytes, more: Iterator[bytes], part: MediaPart
) -> Generator[None, None, None]:
    """Checks base64 with its padding, RFC 4648 section 4: vLLM takes no other (FACTS V31)."""
    length = padding = 0
    for each in chain((piece,), more):
        rest = each.translate(None, _BASE64)
        is_in_the_middle = padding and len(rest) < len(each)
        padding += len(rest)
        if is_in_the_middle or rest.strip(b"=") or padding > 2 or not each.endswith(rest):
            raise _wrong(part, _NO_BASE64)
        length += len(each)
        yield
    if not length or length % 4:
        raise _wrong(part, _NO_BASE64)


def _wrong(part: MediaPart, problem: str) -> ApiError:
    source = part.name.source
    return bad_request(f"{source}: {problem}.", ErrorCode.INVALID_VALUE, source)


type _Path = tuple[int, int, str, str]


def _starts(text: Buffer, media: Sequence[MediaPart]) -> Generator[None, None, Mapping[_Path, int]]:
    """Where the text of each part begins in an outline. Raises ApiError (400) for repeated names.

    The lengths of values tell where the next one is, so that nothing is searched for.
    """
    wanted: dict[int, dict[int, _Path]] = {}
    for part in media:
        wanted.setdefault(part.path[0], {})[part.path[1]] = part.path
    starts: dict[_Path, int] = {}
    try:
        messages_at = _member(text, 0, len(text), "messages")
        for message, (at, size) in enumerate(_entries(text, *messages_at)):
            if message in wanted:
                content = _member(text, at, size, "content")
                for index, (part_at, part_size) in enumerate(_entries(text, *content)):
                    if path := wanted[message].get(index):
                        inner = _member(text, part_at, part_size, path[2])
                        starts[path] = _member(text, *inner, path[3])[0]
                    if index % _ENTRIES_IN_A_STEP == 0:
                        yield
            if message % _ENTRIES_IN_A_STEP == 0:
                yield
    except RepeatedNameError:
        raise not_json("has a member twice, which is not served in one so large") from None
    return starts


def _member(text: Buffer, start: int, size: int, wanted: str) -> tuple[int, int]:
    """Where a member of the object at `start` begins, and its size in bytes.

    Raises ApiError (400) if the object has so much besides that this would take long.
    """
    own = text[start : start + size]
    if start and len(own) - len(getattr(_wanted.decode(own), wanted)) > _MOST_BESIDE:
        raise bad_request(
            f"The request body has a message or a content part of more than {_MOST_BESIDE:,}"
            " bytes besides its content. No model takes that: send less.",
            ErrorCode.REQUEST_TOO_COMPLEX,
        )
    members = any_object.decode(own)
    at = [value_at for name, _, value_at, _ in split_members(own, members) if name == wanted]
    return start + at[-1], len(members[wanted])


def _entries(text: Buffer, start: int, size: int) -> Iterator[tuple[int, int]]:
    """Yields where each entry of the list at `start` begins, and its size in bytes."""
    position = start + 1
    for entry in _raws.decode(text[start : start + size]):
        between = _BETWEEN.match(text, position)
        assert between
        position = between.end()
        yield position, len(entry)
        position += len(entry)
