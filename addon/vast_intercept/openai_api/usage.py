"""What an answer says of itself: the model that it is from, and how many tokens it took."""

from typing import Annotated

import msgspec

#: More than the chunk with the usage, `data: [DONE]`, and the blank lines behind them, in bytes.
TAIL = 2048

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


def usage_of(body: bytes | str) -> Usage | None:
    """That of a whole answer, or of a chunk. None if it does not say."""
    try:
        return _usage.decode(body).usage
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def model_of(body: bytes) -> str | None:
    """The model that a whole answer, or a chunk, is from. None if it does not say."""
    try:
        return _model.decode(body).model
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def model_at_start(head: bytes) -> str | None:
    """That of a stream, whose first chunk has it. `head` begins with the stream."""
    line = head.partition(b"\n")[0]
    return model_of(line.removeprefix(b"data:")) if line.startswith(b"data:") else None


def usage_at_end(tail: bytes) -> Usage | None:
    """That of a stream, whose last chunk has it if the app asked for it (`include_usage`).

    `tail` is the end of the stream, and may begin in the middle of an event.
    """
    if b'"usage"' not in tail:  # most streams do not say: no time is spent on them
        return None
    _, _, lines = tail.replace(b"\r", b"\n").partition(b"\n")
    for line in reversed(lines.split(b"\n")):
        if line.startswith(b"data:") and (usage := usage_of(line.removeprefix(b"data:"))):
            return usage
    return None
