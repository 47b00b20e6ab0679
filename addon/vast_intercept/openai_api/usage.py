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


class _UsageOfOthers(msgspec.Struct):
    """That of answers that are no text: each server has some of these."""

    prompt_tokens: Tokens | None = None
    input_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    output_tokens: Tokens | None = None


class _WithUsage(msgspec.Struct):
    usage: Usage | None = None


class _WithOtherUsage(msgspec.Struct):
    usage: _OtherUsage


class _WithModel(msgspec.Struct):
    model: str | None = None


_usage = msgspec.json.Decoder(_WithUsage)
_other_usage = msgspec.json.Decoder(_WithOtherUsage)
_model = msgspec.json.Decoder(_WithModel)
_usage_of_others = msgspec.json.Decoder(_UsageOfOthers)


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


def read_usage(usage: msgspec.Raw) -> Usage | None:
    """Reads the `usage` of an answer that is no text; None if it does not say what was read.

    Embeddings and scores have no `completion_tokens`, Jina's rerankers `total_tokens` only, and
    OpenAI's images `input_tokens` and `output_tokens`.
    """
    try:
        said = _usage_of_others.decode(usage)
    except DECODE_ERRORS:
        return None
    read = (said.prompt_tokens, said.input_tokens, said.total_tokens)
    made = (said.completion_tokens, said.output_tokens, 0)
    prompt = next((tokens for tokens in read if tokens is not None), None)
    if prompt is None:
        return None
    return Usage(prompt, next(tokens for tokens in made if tokens is not None))


def model_of(body: bytes | bytearray) -> str | None:
    """The model that a whole answer, or a chunk of a stream, names; None if it names none."""
    try:
        return _model.decode(body).model
    except DECODE_ERRORS:
        return None
