"""The faults: what networks, gateways and engines do to an answer, or instead of one."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
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


async def play(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    """Answers with the fault. Raises HangUp where the connection is to end."""
    return await _PLAYS[fault](exchange)


async def stay_silent() -> NoReturn:
    """Sends nothing for a long time, and hangs up if the client has not left by then."""
    await asyncio.sleep(SILENCE)
    raise HangUp


async def _hang(_: Exchange) -> web.StreamResponse:
    await stay_silent()


async def _drop(_: Exchange) -> web.StreamResponse:
    raise HangUp


async def _garbage(exchange: Exchange) -> web.StreamResponse:
    await exchange.send_raw(b"\x00\xff not HTTP at all \r\n\r\n")


async def _redirect(_: Exchange) -> web.StreamResponse:
    return whole(b"", 302, headers={"location": "https://example.com/elsewhere"})


async def _html(_: Exchange) -> web.StreamResponse:
    return whole(_PAGE.format("502 Bad Gateway").encode(), 502, HTML)


async def _empty(_: Exchange) -> web.StreamResponse:
    return whole(b"", 500)


async def _wrong_type(_: Exchange) -> web.StreamResponse:
    return whole(_PAGE.format("Welcome").encode(), 200, HTML)


async def _not_json(_: Exchange) -> web.StreamResponse:
    return whole(b'{"id": "chatcmpl-1", "choices": [{"index": oops', 200)


async def _compressed(exchange: Exchange) -> web.StreamResponse:
    body = gzip.compress(exchange.answer.body, mtime=0)
    return whole(body, 200, exchange.answer.content_type, {"content-encoding": "gzip"})


async def _wrong_length(exchange: Exchange) -> web.StreamResponse:
    body = exchange.answer.body
    await exchange.send_raw(exchange.raw_head(len(body) // 2) + body)


async def _cut(exchange: Exchange) -> web.StreamResponse:
    if exchange.answer.stream:
        await _first_chunks(exchange)
        raise HangUp
    body = exchange.answer.body
    await exchange.send_raw(exchange.raw_head(len(body)) + body[: len(body) // 2])


async def _cut_mid_event(exchange: Exchange) -> web.StreamResponse:
    response = await _first_chunks(exchange)
    for event in exchange.answer.parts[exchange.told.after :][:1]:
        await response.write(event[: len(event) // 2])
    raise HangUp


async def _no_done(exchange: Exchange) -> web.StreamResponse:
    response = await exchange.begin()
    await exchange.send(response, [part for part in exchange.answer.parts if part != DONE])
    return response


async def _cut_behind_done(exchange: Exchange) -> web.StreamResponse:
    await exchange.send(await exchange.begin(), exchange.answer.parts)
    raise HangUp


async def _linger(exchange: Exchange) -> web.StreamResponse:
    await exchange.send(await exchange.begin(), exchange.answer.parts)
    await stay_silent()


async def _stall(exchange: Exchange) -> web.StreamResponse:
    await _first_chunks(exchange)
    await stay_silent()


async def _engine_dead(exchange: Exchange) -> web.StreamResponse:
    response = await _first_chunks(exchange)
    await response.write(ENGINE_DEAD)
    await response.write(DONE)
    return response


async def _big_event(exchange: Exchange) -> web.StreamResponse:
    """Enlarges the second chunk, because the first has no text."""
    response = await exchange.begin()
    first, second, *rest = exchange.answer.parts
    for quoted in (b'"content":"', b'"text":"'):
        second = second.replace(quoted, quoted + b"x" * BIG, 1)
    await exchange.send(response, [first, second, *rest])
    return response


async def _split(exchange: Exchange) -> web.StreamResponse:
    response = await exchange.begin()
    body = exchange.answer.body
    for start in range(0, len(body), _SPLIT):
        await response.write(body[start : start + _SPLIT])
        await asyncio.sleep(0)  # so that the pieces leave one by one
    return response


async def _first_chunks(exchange: Exchange) -> web.StreamResponse:
    """Sends as many of a stream's chunks as come before the fault."""
    response = await exchange.begin()
    await exchange.send(response, exchange.answer.parts[: exchange.told.after])
    return response


_PLAYS: dict[Fault, Callable[[Exchange], Awaitable[web.StreamResponse]]] = {
    "big_event": _big_event,
    "compressed": _compressed,
    "cut": _cut,
    "cut_behind_done": _cut_behind_done,
    "cut_mid_event": _cut_mid_event,
    "drop": _drop,
    "empty": _empty,
    "end_early": _first_chunks,
    "engine_dead": _engine_dead,
    "garbage": _garbage,
    "hang": _hang,
    "html": _html,
    "linger": _linger,
    "no_done": _no_done,
    "not_json": _not_json,
    "redirect": _redirect,
    "split": _split,
    "stall": _stall,
    "wrong_length": _wrong_length,
    "wrong_type": _wrong_type,
}
