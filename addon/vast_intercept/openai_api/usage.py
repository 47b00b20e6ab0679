"""What an answer says of itself: the model that it is from, and how many tokens it took."""

from typing import Annotated

import msgspec

#: More than any answer has: a number beyond it would spoil every sum that it is added to.
MOST_TOKENS = 10**9

type Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class Usage(msgspec.Struct, frozen=True):
    """The `usage` of an answer, in tokens."""

    prompt_tokens: Tokens
    completion_tokens: Tokens


class _WithUsage(msgspec.Struct):
    usage: Usage | None = None


class _WithModel(msgspec.Struct):
    model: str | None = None


_usage = msgspec.json.Decoder(_WithUsage)
_model = msgspec.json.Decoder(_WithModel)


def usage_of(body: bytes | bytearray | str) -> Usage | None:
    """That of a whole answer, or of a chunk. None if it does not say."""
    try:
        return _usage.decode(body).usage
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def model_of(body: bytes | bytearray) -> str | None:
    """The model that a whole answer, or a chunk, is from. None if it does not say."""
    try:
        return _model.decode(body).model
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
