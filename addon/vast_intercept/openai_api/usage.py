"""What an answer says of itself: which model gave it, and how many tokens it took."""

from typing import Annotated

import msgspec

from .members import DECODE_ERRORS

#: No answer has more tokens. A larger number is not believed, as it would spoil every sum.
MOST_TOKENS = 10**9

type Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class Usage(msgspec.Struct, frozen=True):
    """The `usage` of an answer, in tokens."""

    prompt_tokens: Tokens
    completion_tokens: Tokens


class _OtherUsage(msgspec.Struct):
    """That of the Responses and the Messages API."""

    input_tokens: Tokens
    output_tokens: Tokens


class _WithUsage(msgspec.Struct):
    usage: Usage | None = None


class _WithOtherUsage(msgspec.Struct):
    usage: _OtherUsage


class _WithModel(msgspec.Struct):
    model: str | None = None


_usage = msgspec.json.Decoder(_WithUsage)
_other_usage = msgspec.json.Decoder(_WithOtherUsage)
_model = msgspec.json.Decoder(_WithModel)


def usage_of(body: bytes | bytearray | str) -> Usage | None:
    """The usage that a whole answer, or a chunk of a stream, states; None if it states none."""
    try:
        return _usage.decode(body).usage
    except DECODE_ERRORS:
        pass
    try:
        usage = _other_usage.decode(body).usage
    except DECODE_ERRORS:
        return None
    return Usage(usage.input_tokens, usage.output_tokens)


def model_of(body: bytes | bytearray) -> str | None:
    """The model that a whole answer, or a chunk of a stream, names; None if it names none."""
    try:
        return _model.decode(body).model
    except DECODE_ERRORS:
        return None
