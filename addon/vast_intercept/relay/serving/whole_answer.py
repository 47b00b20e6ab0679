"""Answers that are not streams: read to their end and checked before they are sent.

A whole answer is of no use to an app before it is complete, so it is read to its end first: one
that breaks off can then still become an error of OpenAI's shape.
"""

from collections.abc import Generator
from dataclasses import dataclass

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ...openai_api.limits import MAX_MEMBERS
from ...openai_api.outline import (
    Buffer,
    NotJsonError,
    TooMuchStructureError,
    needs_outline,
    outline,
)
from ...openai_api.usage import Usage, model_of, usage_of
from ..call import Call
from ..failures import AttemptFailed
from ..retrying.answer_start import StartedAnswer, read_body
from ..turns import Turns
from ..upstreams.base import UpstreamAnswer

JSON = "application/json"

_any_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer that is complete, and what it says of itself."""

    body: Buffer
    usage: Usage | None
    model: str | None


async def read_whole(started: StartedAnswer, call: Call, turns: Turns) -> WholeAnswer:
    """A success that is not a stream, read to its end.

    Raises ApiError if it is not one JSON object. One that holds so much that it would take long to
    read, such as probabilities of very many tokens, only has to look like one.
    """
    check_content_type(started.answer, JSON)
    body = await read_to_end(started, call)
    try:
        text = await turns.take(_short_enough(body))
        _any_object.decode(text)
    except TooMuchStructureError:
        if body[:1] != b"{" or body[-1:] != b"}":
            raise _not_an_object("it has no braces around it") from None
        return WholeAnswer(body, None, None)
    except (msgspec.MsgspecError, NotJsonError, RecursionError) as error:
        raise _not_an_object(str(error)) from None
    return WholeAnswer(body, usage_of(text), model_of(text))


async def read_to_end(started: StartedAnswer, call: Call) -> bytearray:
    """The whole body of an answer. Raises ApiError if it is broken off, or too large."""
    try:
        body = await read_body(started.answer, call.max_body, call.share, started.first)
    except AttemptFailed as failed:
        raise failed.error from None
    if len(body) > call.max_body:
        raise bad_gateway(
            f"The answer is larger than {call.max_body:,} bytes. The limit is mitmproxy's"
            " option stream_large_bodies: raise it where the interceptor is started, for example"
            " with --set stream_large_bodies=200m.",
            ErrorCode.ANSWER_TOO_LARGE,
            retry=False,
        )
    return body


def _short_enough(body: Buffer) -> Generator[None, None, Buffer]:
    """What is decoded in the body's place. Raises TooMuchStructureError if nothing is."""
    if not needs_outline(body):
        return body
    made = yield from outline(body)
    if made.values[1] > MAX_MEMBERS:
        raise TooMuchStructureError
    return made.text


def _not_an_object(why: str) -> ApiError:
    return bad_gateway(f"The answer is not a JSON object: {why}.", ErrorCode.BAD_UPSTREAM_ANSWER)


def check_content_type(answer: UpstreamAnswer, expected: str) -> None:
    """Raises ApiError unless the answer is what was asked for."""
    if answer.media_type != expected:
        found = f"{answer.host!r} answered with the content type {answer.media_type!r}"
        raise bad_gateway(f"{found} where {expected!r} was due.", ErrorCode.BAD_UPSTREAM_ANSWER)
