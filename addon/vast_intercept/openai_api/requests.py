"""Reads the body of a chat or text completion, and makes the body that Vast gets.

Only the fields that a decision needs are decoded. The rest, above all the prompts, is checked to be
JSON and goes to Vast byte for byte as it came.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import msgspec

from .error_codes import ErrorCode
from .errors import ApiError, bad_request
from .limits import MAX_MEMBERS, MAX_MESSAGES, MAX_PARTS, MAX_STRUCTURE
from .media_parts import MAX_MEDIA, MediaPart, PartMembers, media_part
from .members import NULL
from .operations import Operation
from .outline import Buffer, NotJsonError, Outline, TooMuchStructureError, outline
from .reading import decode, first_byte, is_null, missing, not_json, not_served, read_members
from .rewriting import Changes, Piece, rewritten
from .roles import renamed

type Roles = Mapping[str, str]
"""Old to new names of message roles."""

_NO_ROLES: Roles = MappingProxyType({})

#: The name of a model that vLLM takes for its own.
NO_MODEL = b'""'

# Vast documents that it ignores these, but vLLM refuses them (FACTS V1).
_LEFT_OUT = ("suffix",)

# What every model takes. A refusal is a text of an earlier answer that is sent back.
_TEXT_PARTS = frozenset({"text", "refusal"})


class _Message(msgspec.Struct):
    content: msgspec.Raw = NULL


_messages = msgspec.json.Decoder(list[_Message])
_parts = msgspec.json.Decoder(list[PartMembers])
_text_or_null = msgspec.json.Decoder(str | None)
_flag_or_null = msgspec.json.Decoder(bool | None)
_texts_or_null = msgspec.json.Decoder(list[str] | None)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a call asks for, and the body that Vast gets. `model` is as the app named it."""

    model: str | None
    stream: bool
    #: The body in pieces, since joining a large one would block the event loop.
    pieces: tuple[Piece, ...]
    left_out: tuple[str, ...]
    #: The most tokens of each of the `choices` answers, if the app sets a limit.
    max_tokens: int | None = None
    choices: int = 1
    #: The images and audio of a chat, which only some models take.
    media: tuple[MediaPart, ...] = ()

    @property
    def body(self) -> bytes:
        """The body in one piece."""
        return b"".join(self.pieces)


def check_content_type(content_type: str) -> None:
    """Raises ApiError (400) unless the content type is JSON: vLLM takes no other."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise bad_request(
            f"The content type is {content_type!r}: it must be 'application/json'."
            if content_type
            else "The request has no content type: it must be 'application/json'.",
            ErrorCode.INVALID_CONTENT_TYPE,
        )


def outline_of(body: Buffer) -> Generator[None, None, Outline]:
    """Makes the outline of a large body, in steps. Raises ApiError (400) if it holds too much."""
    try:
        made = yield from outline(body)
    except NotJsonError as error:
        raise not_json(f"is not valid JSON: {error}") from None
    except TooMuchStructureError:
        raise too_much(
            f"{MAX_STRUCTURE:,} bytes, not counting long texts and lists of whole numbers"
        ) from None
    _, members, entries, _, parts = made.values
    _check_amounts(members, entries, parts)
    return made


def _check_amounts(members: int = 0, messages: int = 0, parts: int = 0) -> None:
    if members > MAX_MEMBERS:
        raise too_much(f"{MAX_MEMBERS:,} members")
    if messages > MAX_MESSAGES:
        raise too_much(f"{MAX_MESSAGES:,} messages, or entries of other lists")
    if parts > MAX_PARTS:
        raise too_much(f"{MAX_PARTS:,} content parts")


def too_much(what: str) -> ApiError:
    """The error (400) for a body that holds more values than are read in one call."""
    return bad_request(
        f"The request body holds more than {what}. No model takes that: send less in one call.",
        ErrorCode.REQUEST_TOO_COMPLEX,
    )


def read_request(
    operation: Operation,
    body: Buffer,
    made: Outline | None = None,
    roles_for: Callable[[str | None], Roles] = lambda _: _NO_ROLES,
) -> GenerationRequest:
    """Reads the body of a chat or text completion. Raises ApiError (400) if it cannot be served.

    `made` is the outline of a large body. `roles_for` returns, for the name of a model, which roles
    of messages are renamed.
    """
    text = made.text if made else body
    members = read_members(text)
    _check_amounts(len(members))
    model = _optional(_text_or_null, members, "model")
    stream = _optional(_flag_or_null, members, "stream")
    roles = _NO_ROLES
    media: tuple[MediaPart, ...] = ()
    if operation is Operation.CHAT_COMPLETIONS:
        media = _read_messages(_required(members, "messages"))
        roles = roles_for(model)
    else:
        _required(members, "prompt")
    _check_output_is_text(members)
    return GenerationRequest(
        model,
        bool(stream),
        _pieces_for_vast(body, members, made, roles),
        left_out=tuple(name for name in _LEFT_OUT if name in members),
        max_tokens=_count(members, "max_completion_tokens") or _count(members, "max_tokens"),
        choices=_count(members, "n") or 1,
        media=media,
    )


def _count(members: Mapping[str, msgspec.Raw], name: str) -> int | None:
    """A whole number of at least one, or None. vLLM itself refuses other values."""
    try:
        count = msgspec.json.decode(members.get(name, NULL), type=int | None)
    except msgspec.MsgspecError:
        return None
    return count if count and count > 0 else None


def _optional[T](
    decoder: msgspec.json.Decoder[T], members: Mapping[str, msgspec.Raw], name: str
) -> T | None:
    value = members.get(name)
    return None if value is None else decode(decoder, value, name)


def _required(members: Mapping[str, msgspec.Raw], name: str) -> msgspec.Raw:
    value = members.get(name, NULL)
    if is_null(value):
        raise missing(name)
    return value


def _read_messages(messages: msgspec.Raw) -> tuple[MediaPart, ...]:
    """Checks the messages as far as Vast cannot serve them. Returns their images and audio."""
    decoded = decode(_messages, messages, "messages")
    _check_amounts(messages=len(decoded))
    parts = 0
    media: list[MediaPart] = []
    for index, message in enumerate(decoded):
        first = first_byte(message.content)
        if first == b"[":
            read = decode(_parts, message.content, f"messages[{index}].content")
            for found in _media_of(read, index):
                media.append(found)
                if len(media) > MAX_MEDIA:
                    raise too_much(f"{MAX_MEDIA:,} content parts that are not text")
            parts += len(read)
            _check_amounts(parts=parts)
        elif first not in {b'"', b"n"}:
            place = f"messages[{index}].content"
            raise bad_request(
                f"Invalid type for {place!r}: expected a text or an array of content parts.",
                ErrorCode.INVALID_TYPE,
                place,
            )
    return tuple(media)


def _media_of(parts: list[PartMembers], message: int) -> Iterator[MediaPart]:
    """Yields the images and audio of a message. Raises ApiError (400) for other content."""
    for index, part in enumerate(parts):
        if part.type in _TEXT_PARTS:
            continue
        if media := media_part(part, message, index):
            yield media
            continue
        place = f"messages[{message}].content[{index}]"
        kind = "no type" if part.type is None else f"the type {part.type[:100]!r}"
        raise bad_request(
            f"The content part {place} has {kind}, which Vast cannot serve. Send parts of type"
            " 'text', or let these calls go to another provider.",
            ErrorCode.UNSUPPORTED_CONTENT,
            place,
        )


def _check_output_is_text(members: Mapping[str, msgspec.Raw]) -> None:
    modalities = _optional(_texts_or_null, members, "modalities")
    if any(modality != "text" for modality in modalities or ()):
        raise _unsupported_parameter("modalities", "asks for more than text")
    if not is_null(members.get("audio", NULL)):
        raise _unsupported_parameter("audio", "asks for spoken output")


def _unsupported_parameter(name: str, why: str) -> ApiError:
    return not_served(
        f"The parameter {name!r} {why}, which Vast cannot serve: the models behind it"
        " answer with text only.",
        name,
    )


def _pieces_for_vast(
    body: Buffer,
    members: Mapping[str, msgspec.Raw],
    made: Outline | None,
    roles: Roles,
) -> tuple[Piece, ...]:
    """The body with an empty `model`, renamed roles, and without members that vLLM refuses.

    Everything else keeps its bytes. The name is emptied because vLLM serves its own model under an
    empty name, and refuses names that it does not know. `max_tokens` is what Vast's worker takes
    for the load (FACTS V15): it has what `max_completion_tokens` has, unless both are there.
    """
    values = {"model": NO_MODEL} if "model" in members else {}
    left_out: tuple[str, ...] = _LEFT_OUT
    if is_null(members.get("max_tokens", NULL)):
        if _count(members, "max_completion_tokens"):
            values["max_tokens"] = bytes(members["max_completion_tokens"])
        else:
            left_out += ("max_tokens",)  # the worker counts with it, and null is no number
    changes = Changes(
        values=values,
        left_out=left_out,
        edits={"messages": partial(renamed, roles=roles)} if roles else {},
    )
    return rewritten(body, members, made, changes)
