"""Vast's answers that are not streams: read to their end and checked before they are sent.

A whole answer is of no use to an app before it is complete, so it is read to its end first: one
that Vast breaks off can then still become an error of OpenAI's shape.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import aiohttp
import msgspec

from ...openai_api.errors import ApiError, bad_gateway, from_upstream
from ...openai_api.limits import MAX_MEMBERS
from ...openai_api.outline import (
    Buffer,
    NotJsonError,
    TooMuchStructureError,
    needs_outline,
    outline,
)
from ...openai_api.roles import explain_refused_role
from ...openai_api.usage import Usage, model_of, usage_of
from ..call import Call
from ..failures import describe_failure
from ..http_client import retry_after_of
from ..memory import Share
from ..turns import Turns

EVENT_STREAM = "text/event-stream"
JSON = "application/json"

#: No more of an error is read.
MAX_ERROR_BODY = 64 * 1024

_any_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole answer, and what it says of itself."""

    body: Buffer
    usage: Usage | None
    model: str | None


async def read_whole(
    upstream: aiohttp.ClientResponse, first: bytes, call: Call, turns: Turns
) -> Whole:
    """A success that is not a stream, of which `first` was read already.

    Raises ApiError if it is not one JSON object. One that holds so much that it would take long to
    read, such as probabilities of very many tokens, only has to look like one.
    """
    check_content_type(upstream, JSON)
    body = await _read(upstream, call.max_body, call.share, first)
    if len(body) > call.max_body:
        raise bad_gateway(
            f"Vast's answer is larger than {call.max_body:,} bytes. The limit is mitmproxy's"
            " option stream_large_bodies: raise it where the interceptor is started, for example"
            " with --set stream_large_bodies=200m.",
            "answer_too_large",
            retry=False,
        )
    try:
        text = await turns.take(_short_enough(body))
        _any_object.decode(text)
    except TooMuchStructureError:
        if body[:1] != b"{" or body[-1:] != b"}":
            raise _not_an_object("it has no braces around it") from None
        return Whole(body, None, None)
    except (msgspec.MsgspecError, NotJsonError, RecursionError) as error:
        raise _not_an_object(str(error)) from None
    return Whole(body, usage_of(text), model_of(text))


def _short_enough(body: Buffer) -> Generator[None, None, Buffer]:
    """What is decoded in the body's place. Raises TooMuchStructureError if nothing is."""
    if not needs_outline(body):
        return body
    made = yield from outline(body)
    if made.values[1] > MAX_MEMBERS:
        raise TooMuchStructureError
    return made.text


def _not_an_object(why: str) -> ApiError:
    return bad_gateway(f"Vast's answer is not a JSON object: {why}.", "bad_upstream_answer")


type Explain = Callable[[int, bytes, Call], ApiError]


def explain_vast(status: int, body: bytes, call: Call) -> ApiError:
    """What Vast's answer that is no success means to an app."""
    endpoint = call.outcome.endpoint or ""
    error = from_upstream(status, body, endpoint=endpoint, redact=call.redact)
    if call.prompt:
        return explain_refused_role(error, call.prompt.request.pieces)
    return error


async def read_error(upstream: aiohttp.ClientResponse, call: Call, explain: Explain) -> ApiError:
    """An answer that is no success, as OpenAI would word it."""
    try:
        body = bytes(await _read(upstream, MAX_ERROR_BODY, call.share))
    except ApiError:
        body = b""  # the status says enough
    error = explain(upstream.status, body, call)
    return replace(error, retry_after=retry_after_of(upstream) or error.retry_after)


def check_content_type(upstream: aiohttp.ClientResponse, expected: str) -> None:
    """Raises ApiError unless the answer is what was asked for."""
    if upstream.content_type != expected:
        raise bad_gateway(
            f"Vast answered with the content type {upstream.content_type!r} where {expected!r} was"
            " due.",
            "bad_upstream_answer",
        )


async def _read(
    upstream: aiohttp.ClientResponse, limit: int, share: Share, first: bytes = b""
) -> bytearray:
    """The body, or its beginning if it is larger than `limit`.

    Raises ApiError if it is cut, or if calls hold too much already.
    """
    body = bytearray(first)  # it grows in place: to join many pieces would hold up other calls
    try:
        while len(body) <= limit and (piece := await upstream.content.readany()):
            share.take(len(piece))
            body += piece
    except (aiohttp.ClientError, TimeoutError) as error:
        raise describe_failure(error, upstream.url.host or "Vast") from None
    return body
