"""What the body of a call that generates text asks for, and the body that goes to Vast instead.

Only the fields that a decision needs are decoded. The rest, the prompts above all, is checked to be
JSON and otherwise never touched: it goes out byte for byte as it came in.
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from .errors import ApiError, bad_request
from .operations import Operation

_BOM = b"\xef\xbb\xbf"

# Vast's documentation says that it is ignored, but vLLM refuses it (FACTS V1).
_LEFT_OUT = ("suffix",)

# "Text in, text out" (FACTS V1). A refusal is text too: an answer of before, sent back.
_TEXT_PARTS = frozenset({"text", "refusal"})

# JSON's white space, RFC 8259 section 2, and a member's name with its colon, section 4.
_WHITE_SPACE = re.compile(rb"[ \t\n\r]*")
_NAME = re.compile(rb'[ \t\n\r]*("(?:[^"\\]|\\.)*")[ \t\n\r]*:[ \t\n\r]*')

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
    body: bytes
    left_out: tuple[str, ...]
    #: How many tokens each of the `choices` answers may have, where the app says so.
    max_tokens: int | None = None
    choices: int = 1


def decode_content(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding, of `limit` bytes at most.

    Raises ApiError (400 or 413). The work and the memory are bounded by `limit`, whatever the
    compressed body would grow to.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding in {"gzip", "x-gzip"}:
        window_bits = 16 + zlib.MAX_WBITS
    elif encoding == "deflate":
        window_bits = zlib.MAX_WBITS
    else:
        raise bad_request(
            f"The request body has the content encoding {encoding!r}, which is not supported:"
            " send it as it is, or with gzip.",
            "unsupported_encoding",
        )
    decompressor = zlib.decompressobj(window_bits)
    try:
        decoded = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise bad_request(
            f"The request body is not valid {encoding}: {error}.", "invalid_encoding"
        ) from None
    if len(decoded) > limit:
        raise request_too_large(limit)
    if not decompressor.eof:
        raise bad_request(
            f"The request body is not valid {encoding}: it ends too early.", "invalid_encoding"
        )
    return decoded


def request_too_large(limit: int) -> ApiError:
    """413, with the limit and the way to change it."""
    return bad_request(
        f"The request body is larger than {limit:,} bytes. The limit is mitmproxy's option"
        " stream_large_bodies: raise it where the interceptor is started, for example with"
        " --set stream_large_bodies=200m.",
        "request_too_large",
        status=413,
    )


def check_content_type(content_type: str) -> None:
    """Raises ApiError (400) unless it is JSON, the only one that vLLM takes."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise bad_request(
            f"The content type is {content_type!r}: it must be 'application/json'."
            if content_type
            else "The request has no content type: it must be 'application/json'.",
            "invalid_content_type",
        )


def read_request(operation: Operation, body: bytes) -> GenerationRequest:
    """What the body of a chat or text completion asks for. Raises ApiError (400)."""
    members = _decode_members(body)
    model = _decode(_text_or_null, members.get("model"), "model")
    stream = _decode(_flag_or_null, members.get("stream"), "stream")
    if operation is Operation.CHAT_COMPLETIONS:
        _check_messages(_required(members, "messages"))
    else:
        _required(members, "prompt")
    _check_output_is_text(members)
    return GenerationRequest(
        model,
        bool(stream),
        _body_for_vast(body, members),
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


def _decode_members(body: bytes) -> dict[str, msgspec.Raw]:
    if not body.strip():
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
    for index, message in enumerate(decoded):
        place = f"messages[{index}].content"
        first = bytes(memoryview(message.content)[:1])
        if first == b"[":
            _check_parts(message.content, place)
        elif first not in {b'"', b"n"}:
            raise bad_request(
                f"Invalid type for {place!r}: expected a text or an array of content parts.",
                "invalid_type",
                place,
            )


def _check_parts(content: msgspec.Raw, place: str) -> None:
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


def _body_for_vast(body: bytes, members: Mapping[str, msgspec.Raw]) -> bytes:
    """`body` with an empty `model` and without what must be left out; else to the byte the same.

    vLLM serves an empty name of a model and refuses those that it does not know.
    """
    if "model" not in members and not any(name in members for name in _LEFT_OUT):
        return body
    kept = []
    try:
        for name, value_at, text in _split_members(body, members):
            if name == "model":
                kept.append(text[:value_at] + b'""' + text[value_at + len(members[name]) :])
            elif name not in _LEFT_OUT:
                kept.append(text)
    except _RepeatedNameError:
        # Of a name that comes twice the last one counts, for us and for vLLM's parser.
        return msgspec.json.encode(
            {
                name: msgspec.Raw(b'""') if name == "model" else value
                for name, value in members.items()
                if name not in _LEFT_OUT
            }
        )
    before, after = body[: body.index(b"{") + 1], body[body.rindex(b"}") :]
    return before + b",".join(kept) + after


class _RepeatedNameError(Exception):
    """The object has a name twice, so that the values' lengths do not lead through it."""


def _split_members(
    body: bytes, members: Mapping[str, msgspec.Raw]
) -> Iterator[tuple[str, int, bytes]]:
    """Name, offset of the value, and text (white space included) of each member of a JSON object.

    `members` is the same object, decoded. A value's length leads from its start to its end, so
    that the text of the prompts is jumped over, not scanned.
    """
    position = body.index(b"{") + 1
    end = body.rindex(b"}")
    while position < end:
        match = _NAME.match(body, position)
        if match is None:
            raise _RepeatedNameError
        name = msgspec.json.decode(match[1], type=str)
        value = members[name]
        value_end = match.end() + len(value)
        separator = _WHITE_SPACE.match(body, value_end)
        after = separator.end() if separator else value_end
        if body[match.end() : value_end] != bytes(value) or body[after] not in b",}":
            raise _RepeatedNameError
        yield name, match.end() - position, body[position:after]
        position = after + 1
