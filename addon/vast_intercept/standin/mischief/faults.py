"""The faults: what networks, gateways and engines do to an answer, or instead of one."""

import asyncio
import gzip
from typing import NoReturn

from aiohttp import web

from ..answering import HangUp, whole
from .exchange import DONE, Exchange
from .instructions import Fault

HTML = "text/html; charset=utf-8"

# Seconds that a silent answer waits for the client to leave.
SILENCE = 120

# As recorded, when the process that computes died under a running stream.
ENGINE_DEAD = (
    b'data: {"error": {"message": "EngineCore encountered an issue. See stack trace (above) for '
    b'the root cause.", "type": "InternalServerError", "param": null, "code": 500}}\n\n'
)

BIG = 10 * 1024 * 1024
_SPLIT = 7
_PAGE = "<!doctype html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"


async def stay_silent() -> NoReturn:
    """Sends nothing for a long time, and hangs up if the client has not left by then."""
    await asyncio.sleep(SILENCE)
    raise HangUp


async def play(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    """Answers with the fault. Raises HangUp where the connection is to end."""
    answer, body = exchange.answer, exchange.answer.body
    match fault:
        case "hang":
            await stay_silent()
        case "drop":
            raise HangUp
        case "garbage":
            await exchange.send_raw(b"\x00\xff not HTTP at all \r\n\r\n")
        case "redirect":
            return whole(b"", 302, headers={"location": "https://example.com/elsewhere"})
        case "empty":
            return whole(b"", 500)
        case "html":
            return whole(_PAGE.format("502 Bad Gateway").encode(), 502, HTML)
        case "wrong_type":
            return whole(_PAGE.format("Welcome").encode(), 200, HTML)
        case "not_json":
            return whole(b'{"id": "chatcmpl-1", "choices": [{"index": oops', 200)
        case "compressed":
            compressed = gzip.compress(body, mtime=0)
            return whole(compressed, 200, answer.content_type, {"content-encoding": "gzip"})
        case "wrong_length":
            await exchange.send_raw(exchange.raw_head(len(body) // 2) + body)
        case "cut" if not answer.stream:
            await exchange.send_raw(exchange.raw_head(len(body)) + body[: len(body) // 2])
    return await _spoil_stream(exchange, fault)


async def _spoil_stream(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    response = await exchange.begin()
    parts, after = exchange.answer.parts, exchange.told.after
    match fault:
        case "cut" | "cut_mid_event" | "end_early" | "engine_dead" | "stall":
            sent = parts[:after]
        case "no_done":
            sent = [part for part in parts if part != DONE]
        case "big_event":
            sent = _enlarged(parts)
        case "split":
            await _send_split(response, exchange.answer.body)
            return response
        case _:
            sent = parts
    await exchange.send(response, sent)
    match fault:
        case "cut" | "cut_behind_done":
            raise HangUp
        case "cut_mid_event":
            for event in parts[after:][:1]:
                await response.write(event[: len(event) // 2])
            raise HangUp
        case "engine_dead":
            await response.write(ENGINE_DEAD)
            await response.write(DONE)
        case "linger" | "stall":
            await stay_silent()
    return response


def _enlarged(parts: list[bytes]) -> list[bytes]:
    """The parts with a large second chunk: the first has no text."""
    first, second, *rest = parts
    for quoted in (b'"content":"', b'"text":"'):
        second = second.replace(quoted, quoted + b"x" * BIG, 1)
    return [first, second, *rest]


async def _send_split(response: web.StreamResponse, body: bytes) -> None:
    for start in range(0, len(body), _SPLIT):
        await response.write(body[start : start + _SPLIT])
        await asyncio.sleep(0)  # so that the pieces leave one by one
