"""Vast's answer on its way back: streams as they come, everything else checked before it is sent.

A whole answer is of no use to an app before it is complete, so it is read to its end first: one
that Vast breaks off can then still become an error of OpenAI's shape.
"""

from collections.abc import Mapping

import aiohttp
import msgspec
from aiohttp import web

from ..openai_api.errors import ApiError, bad_gateway, from_upstream
from ..openai_api.sse import complete_events_end, error_event, says_done
from .call import Call
from .failures import describe_failure

EVENT_STREAM = "text/event-stream"
JSON = "application/json"

_MAX_ERROR_BODY = 64 * 1024
# The longest piece of an event that is held back until the rest of it is there.
_MAX_HELD = 64 * 1024
# More than `data: [DONE]` and the blank line behind it.
_TAIL = 64

_any_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def read_whole(upstream: aiohttp.ClientResponse, call: Call) -> bytes:
    """The body of a success that is not a stream. Raises ApiError if it is not one JSON object."""
    _check_content_type(upstream, JSON)
    body = await _read(upstream, call.max_body)
    if body is None:
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


async def read_error(upstream: aiohttp.ClientResponse, call: Call) -> ApiError:
    """An answer that is no success, as OpenAI would word it."""
    try:
        body = await _read(upstream, _MAX_ERROR_BODY) or b""
    except ApiError:
        body = b""  # the status says enough
    error = from_upstream(
        upstream.status,
        body,
        endpoint=call.outcome.endpoint or "",
        redact=call.config.api_key.redact if call.config.api_key else str,
    )
    if retry_after := upstream.headers.get("retry-after"):
        error.headers["retry-after"] = retry_after[:64]
    return error


async def stream_events(
    upstream: aiohttp.ClientResponse,
    request: web.BaseRequest,
    call: Call,
    headers: Mapping[str, str],
) -> web.StreamResponse:
    """Sends the events on as they arrive, byte for byte.

    If Vast breaks off, the app gets the error as the last event. For that to be an event of its
    own, the piece of an event that ends a chunk is held back until the rest of it has come.
    """
    _check_content_type(upstream, EVENT_STREAM)
    out = web.StreamResponse(status=upstream.status, headers=headers)
    out.enable_chunked_encoding()
    await out.prepare(request)
    call.outcome.answered = call.outcome.streamed = True

    held = b""
    tail = b"\n"  # what was sent last; at first, the start of a line
    failure: ApiError | None = None
    try:
        while chunk := await upstream.content.readany():
            if held:
                chunk = held + chunk
            end = complete_events_end(chunk)
            if len(chunk) - end > _MAX_HELD:
                end = len(chunk)  # a huge event: on with what is there
            ready, held = chunk[:end], chunk[end:]
            if ready:
                await out.write(ready)
                tail = ready[-_TAIL:] if end >= _TAIL else (tail + ready)[-_TAIL:]
    except (aiohttp.ClientError, TimeoutError) as error:
        failure = describe_failure(error, upstream.url.host or "Vast")
    else:
        if not says_done(tail + held):
            failure = bad_gateway(
                "Vast ended the stream before the answer was complete.", "vast_disconnected"
            )
        elif held:
            await out.write(held)
    if failure:
        call.outcome.error = failure
        cut_event = not tail.endswith((b"\n\n", b"\r\r", b"\r\n\r\n")) and tail != b"\n"
        await out.write((b"\n\n" if cut_event else b"") + error_event(failure))
    await out.write_eof()
    return out


def _check_content_type(upstream: aiohttp.ClientResponse, expected: str) -> None:
    if upstream.content_type != expected:
        raise bad_gateway(
            f"Vast answered with the content type {upstream.content_type!r} where {expected!r} was"
            " due.",
            "bad_upstream_answer",
        )


async def _read(upstream: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The body, or None if it is larger than `limit`. Raises ApiError if it is cut."""
    pieces = []
    size = 0
    try:
        while piece := await upstream.content.readany():
            size += len(piece)
            if size > limit:
                return None
            pieces.append(piece)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise describe_failure(error, upstream.url.host or "Vast") from None
    return b"".join(pieces)
