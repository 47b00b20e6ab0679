"""Vast's answers that are not streams: read to their end and checked before they are sent.

A whole answer is of no use to an app before it is complete, so it is read to its end first: one
that Vast breaks off can then still become an error of OpenAI's shape.
"""

import math
from collections.abc import Callable

import aiohttp
import msgspec

from ..openai_api.errors import ApiError, bad_gateway, from_upstream
from .call import Call
from .failures import describe_failure
from .http_client import retry_after_of

EVENT_STREAM = "text/event-stream"
JSON = "application/json"

#: No more of an error is read.
MAX_ERROR_BODY = 64 * 1024

_any_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def read_whole(upstream: aiohttp.ClientResponse, first: bytes, call: Call) -> bytes:
    """The body of a success that is not a stream, of which `first` was read already.

    Raises ApiError if it is not one JSON object.
    """
    check_content_type(upstream, JSON)
    body = await _read(upstream, call.max_body, first)
    if len(body) > call.max_body:
        raise bad_gateway(
            f"Vast's answer is larger than {call.max_body:,} bytes. The limit is mitmproxy's"
            " option stream_large_bodies: raise it where the interceptor is started, for example"
            " with --set stream_large_bodies=200m.",
            "answer_too_large",
            retry=False,
        )
    try:
        _any_object.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise bad_gateway(
            f"Vast's answer is not a JSON object: {error}.", "bad_upstream_answer"
        ) from None
    return body


type Explain = Callable[[int, bytes, Call], ApiError]


def explain_vast(status: int, body: bytes, call: Call) -> ApiError:
    """What Vast's answer that is no success means to an app."""
    return from_upstream(status, body, endpoint=call.outcome.endpoint or "", redact=call.redact)


async def read_error(upstream: aiohttp.ClientResponse, call: Call, explain: Explain) -> ApiError:
    """An answer that is no success, as OpenAI would word it."""
    try:
        body = await _read(upstream, MAX_ERROR_BODY)
    except ApiError:
        body = b""  # the status says enough
    error = explain(upstream.status, body, call)
    if retry_after := retry_after_of(upstream):
        error.headers["retry-after"] = str(math.ceil(retry_after))
    return error


def check_content_type(upstream: aiohttp.ClientResponse, expected: str) -> None:
    """Raises ApiError unless the answer is what was asked for."""
    if upstream.content_type != expected:
        raise bad_gateway(
            f"Vast answered with the content type {upstream.content_type!r} where {expected!r} was"
            " due.",
            "bad_upstream_answer",
        )


async def _read(upstream: aiohttp.ClientResponse, limit: int, first: bytes = b"") -> bytes:
    """The body, or its beginning if it is larger than `limit`. Raises ApiError if it is cut."""
    pieces = [first]
    size = len(first)
    try:
        while size <= limit and (piece := await upstream.content.readany()):
            size += len(piece)
            pieces.append(piece)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise describe_failure(error, upstream.url.host or "Vast") from None
    return b"".join(pieces)
