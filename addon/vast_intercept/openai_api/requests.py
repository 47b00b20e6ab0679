"""What the body of a call that generates text asks for, and the body that goes to Vast instead.

Only the fields that a decision needs are decoded. The rest, the prompts above all, is checked to be
JSON and otherwise never touched: it goes out byte for byte as it came in.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from .errors import ApiError, bad_request
from .limits import MAX_MEMBERS, MAX_MESSAGES, MAX_PARTS, MAX_STRUCTURE
from .members import RepeatedNameError, split_members
from .operations import Operation
from .outline import Buffer, NotJsonError, Outline, TooMuchStructureError, outline
from .roles import renamed

type Piece = bytes | bytearray | memoryview

type Roles = Mapping[str, str]
"""Roles of messages, and what they become."""

_NO_ROLES: Roles = MappingProxyType({})

_BOM = b"\xef\xbb\xbf"
_COMMA = ord(",")

# Vast's documentation says that it is ignored, but vLLM refuses it (FACTS V1).
_LEFT_OUT = ("suffix",)

# "Text in, text out" (FACTS V1). A refusal is text too: an answer of before, sent back.
_TEXT_PARTS = frozenset({"text", "refusal"})

# msgspec names the place at the end of its message: "... - at `$.messages[0].content`"
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$(?P<place>.*)`)?", re.DOTALL)


class _Part(msgspec.Struct):
    type: str | None = None


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw(b"null")


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_messages = msgspec.json.Decoder(list[_Message])
_parts = msgspec.json.Decoder(list[_Part])
_text_or_null = msgspec.json.Decoder(str | None)
_flag_or_null = msgspec.json.Decoder(bool | None)
_texts_or_null = msgspec.json.Decoder(list[str] | None)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a call asks for (`model` as the app named it), and the body that Vast gets."""

    model: str | None
    stream: bool
    #: The body, in pieces: to join a large one takes long.
    pieces: tuple[Piece, ...]
    left_out: tuple[str, ...]
    #: How many tokens each of the `choices` answers may have, where the app says so.
    max_tokens: int | None = None
    choices: int = 1

    @property
    def body(self) -> bytes:
        """The body in one piece."""
        return b"".join(self.pieces)


def check_content_type(content_type: str) -> None:
    """Raises ApiError (400) unless it is JSON, the only one that vLLM takes."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise bad_request(
            f"The content type is {content_type!r}: it must be 'application/json'."
            if content_type
            else "The request has no content type: it must be 'application/json'.",
            "invalid_content_type",
        )


def outline_of(body: Buffer) -> Generator[None, None, Outline]:
    """The outline of a large body. Raises ApiError (400) for more than a body may hold."""
    try:
        made = yield from outline(body)
    except NotJsonError as error:
        raise bad_request(f"The request body is not valid JSON: {error}.", "invalid_json") from None
    except TooMuchStructureError:
        raise _too_much(
            f"{MAX_STRUCTURE:,} bytes, not counting long texts and lists of whole numbers"
        ) from None
    _, members, entries, _, parts = made.values
    _check_amounts(members, entries, parts)
    return made


def _check_amounts(members: int = 0, messages: int = 0, parts: int = 0) -> None:
    if members > MAX_MEMBERS:
        raise _too_much(f"{MAX_MEMBERS:,} members")
    if messages > MAX_MESSAGES:
        raise _too_much(f"{MAX_MESSAGES:,} messages, or entries of other lists")
    if parts > MAX_PARTS:
        raise _too_much(f"{MAX_PARTS:,} content parts")


def _too_much(what: str) -> ApiError:
    return bad_request(
        f"The request body holds more than {what}. No model takes that: send less in one call.",
        "request_too_complex",
    )


def read_request(
    operation: Operation,
    body: Buffer,
    made: Outline | None = None,
    roles_for: Callable[[str | None], Roles] = lambda _: _NO_ROLES,
) -> GenerationRequest:
    """What the body of a chat or text completion asks for. Raises ApiError (400).

    Of a large body, `made` is the outline. `roles_for` a model says which roles of messages are
    renamed.
    """
    text = made.text if made else body
    members = _decode_members(text)
    _check_amounts(len(members))
    model = _decode(_text_or_null, members.get("model"), "model")
    stream = _decode(_flag_or_null, members.get("stream"), "stream")
    roles = _NO_ROLES
    if operation is Operation.CHAT_COMPLETIONS:
        _check_messages(_required(members, "messages"))
        roles = roles_for(model)
    else:
        _required(members, "prompt")
    _check_output_is_text(members)
    return GenerationRequest(
        model,
        bool(stream),
        _pieces_for_vast(body, text, members, made, roles),
        left_out=tuple(name for name in _LEFT_OUT if name in members),
        max_tokens=_count(members, "max_completion_tokens") or _count(members, "max_tokens"),
        choices=_count(members, "n") or 1,
    )


def _count(members: Mapping[str, msgspec.Raw], name: str) -> int | None:
    """A number of at least one. What else it may be is vLLM's to refuse."""
    try:
        count = msgspec.json.decode(members.get(name, b"null"), type=int | None)
    except msgspec.MsgspecError:
        return None
    return count if count and count > 0 else None


def _decode_members(body: Buffer) -> dict[str, msgspec.Raw]:
    if not body or body.isspace():
        raise bad_request("The request body is empty: it must be a JSON object.", "invalid_json")
    if body.startswith(_BOM):
        raise bad_request(
            "The request body starts with a byte order mark (BOM), which JSON must not"
            " (RFC 8259, section 8.1): send plain UTF-8.",
            "invalid_json",
        )
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise bad_request(
                f"The request body is not valid UTF-8 (at byte {error.start}).", "invalid_json"
            ) from None
    try:
        return _members.decode(body)
    except msgspec.ValidationError:
        raise bad_request("The request body must be a JSON object.", "invalid_json") from None
    except msgspec.DecodeError as error:
        raise bad_request(f"The request body is not valid JSON: {error}.", "invalid_json") from None
    except RecursionError:
        raise bad_request("The request body is nested too deeply.", "invalid_json") from None


def _decode[T](decoder: msgspec.json.Decoder[T], value: msgspec.Raw | None, place: str) -> T | None:
    """The value, or None where there is none. Raises ApiError (400) if it has another type."""
    if value is None:
        return None
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        if match := _PLACE.fullmatch(str(error)):
            param = place + (match["place"] or "")
            raise bad_request(
                f"Invalid type for {param!r}: {match['what'][:1].lower()}{match['what'][1:]}.",
                "invalid_type",
                param,
            ) from None
        raise
    except (msgspec.DecodeError, RecursionError) as error:
        # A text that is not one, such as half of a surrogate pair: it passed as a whole only.
        raise bad_request(
            f"The request body is not valid JSON in {place!r}: {error}.", "invalid_json", place
        ) from None


def _required(members: Mapping[str, msgspec.Raw], name: str) -> msgspec.Raw:
    value = members.get(name)
    if value is None or bytes(value) == b"null":
        raise bad_request(
            f"Missing required parameter: {name!r}.", "missing_required_parameter", name
        )
    return value


def _check_messages(messages: msgspec.Raw) -> None:
    decoded = _decode(_messages, messages, "messages") or []
    _check_amounts(messages=len(decoded))
    parts = 0
    for index, message in enumerate(decoded):
        first = bytes(memoryview(message.content)[:1])
        if first == b"[":
            parts += _check_parts(message.content, f"messages[{index}].content")
            _check_amounts(parts=parts)
        elif first not in {b'"', b"n"}:
            place = f"messages[{index}].content"
            raise bad_request(
                f"Invalid type for {place!r}: expected a text or an array of content parts.",
                "invalid_type",
                place,
            )


def _check_parts(content: msgspec.Raw, place: str) -> int:
    """Returns how many there are."""
    parts = _decode(_parts, content, place) or []
    for index, part in enumerate(parts):
        if part.type not in _TEXT_PARTS:
            kind = "no type" if part.type is None else f"the type {part.type[:100]!r}"
            raise bad_request(
                f"The content part {place}[{index}] has {kind}, which Vast cannot serve: the"
                " models behind it take text only. Send parts of type 'text', or let these calls"
                " go to another provider.",
                "unsupported_content",
                f"{place}[{index}]",
            )
    return len(parts)


def _check_output_is_text(members: Mapping[str, msgspec.Raw]) -> None:
    modalities = _decode(_texts_or_null, members.get("modalities"), "modalities")
    if any(modality != "text" for modality in modalities or ()):
        raise _unsupported_parameter("modalities", "asks for more than text")
    audio = members.get("audio")
    if audio is not None and bytes(audio) != b"null":
        raise _unsupported_parameter("audio", "asks for spoken output")


def _unsupported_parameter(name: str, why: str) -> ApiError:
    return bad_request(
        f"The parameter {name!r} {why}, which Vast cannot serve: the models behind it"
        " answer with text only.",
        "unsupported_parameter",
        name,
    )


def _pieces_for_vast(
    body: Buffer,
    text: Buffer,
    members: Mapping[str, msgspec.Raw],
    made: Outline | None,
    roles: Roles,
) -> tuple[Piece, ...]:
    """`body` with an empty `model`, renamed roles, and without what must be left out.

    Else it is to the byte the same. vLLM serves an empty name of a model and refuses those that it
    does not know.
    """
    if not roles and "model" not in members and not any(name in members for name in _LEFT_OUT):
        return (body,)
    try:
        spans = list(_kept(text, members, roles))
    except RepeatedNameError:
        if made:
            raise bad_request(
                "The request body has a member twice, which is not served in one so large.",
                "invalid_json",
            ) from None
        # Of a name that comes twice the last one counts, for us and for vLLM's parser.
        kept = {name: value for name, value in members.items() if name not in _LEFT_OUT}
        once = msgspec.json.encode(kept)
        return _pieces_for_vast(once, once, _members.decode(once), None, roles)
    if made is None:
        return (b"".join(span if isinstance(span, bytes) else text[span] for span in spans),)
    view = memoryview(body)
    return tuple(
        span
        if isinstance(span, bytes)
        else view[made.position(span.start) : made.position(span.stop)]
        for span in spans
    )


def _kept(
    text: Buffer, members: Mapping[str, msgspec.Raw], roles: Roles
) -> Iterator[slice | bytes]:
    """What goes to Vast: places in the text, and what stands between them."""
    begin = 0
    kept_to: int | None = None  # the end of the last member that is kept
    for name, start, value_at, end in split_members(text, members):
        if name in _LEFT_OUT:
            # With the comma before it, or if it is the first one, with the one behind it.
            if kept_to is not None:
                if begin < kept_to:
                    yield slice(begin, kept_to)
                begin = end
            else:
                if begin < start:
                    yield slice(begin, start)
                begin = end + (text[end] == _COMMA)
            continue
        if name == "model":
            yield slice(begin, value_at)
            yield b'""'
            begin = value_at + len(members[name])
        elif name == "messages" and roles:
            for place, new in renamed(text[value_at : value_at + len(members[name])], roles):
                yield slice(begin, value_at + place.start)
                yield new
                begin = value_at + place.stop
        kept_to = end
    yield slice(begin, len(text))
