"""How an answer of the model server goes out: in one piece or in many, slowly, or byte by byte."""

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from ..answering import JSON, SERVER, HangUp, whole
from .gates import Gates
from .instructions import EVENT_FAULTS, STREAM_FAULTS, Fault, Instructions

EVENT_STREAM = "text/event-stream; charset=utf-8"

DONE = b"data: [DONE]\n\n"

# A gate that nobody opens for this long ends the connection.
_GATE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """An answer as bytes: the pieces of a stream, or the one part of a whole answer.

    A stream without a `media_type` is one of events, a whole answer without one is JSON.
    """

    parts: list[bytes]
    stream: bool = False
    media_type: str | None = None

    @property
    def body(self) -> bytes:
        """All parts, joined."""
        return b"".join(self.parts)

    @property
    def content_type(self) -> str:
        """The `content-type` header."""
        return self.media_type or (EVENT_STREAM if self.stream else JSON)

    def can_play(self, fault: Fault) -> bool:
        """Whether a fault can be done to this answer."""
        if not self.stream:
            return fault not in STREAM_FAULTS
        return self.media_type is None or fault not in EVENT_FAULTS


class Passage:
    """The way from vLLM to the client. This one changes and delays nothing."""

    def headers(self, answer: ModelAnswer) -> dict[str, str]:
        """The headers that reach the client."""
        return {**SERVER, "content-type": answer.content_type}

    async def passable(self) -> None:
        """Returns when the next part of an answer may pass."""


DIRECT = Passage()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, its usual answer, and what the stand-in was told to do about it."""

    request: web.BaseRequest
    answer: ModelAnswer
    told: Instructions
    gates: Gates
    passage: Passage = DIRECT

    async def reply(self) -> web.StreamResponse:
        """Sends the answer at the pace that the instructions name."""
        if self.answer.stream:
            response = await self.begin()
            await self.send(response, self.answer.parts)
            await asyncio.sleep(self.told.end_delay)
            return response
        if not self.told.delay and not self.told.gate:
            return whole(self.answer.body, content_type=self.answer.content_type)
        response = await self.begin()
        # A whole answer's head goes out at once, as a stream's first chunk does.
        await self.send(response, [b"", self.answer.body])
        return response

    async def begin(self) -> web.StreamResponse:
        """Sends the head."""
        headers = self.passage.headers(self.answer)
        if not self.answer.stream:
            headers["content-length"] = str(len(self.answer.body))
        response = web.StreamResponse(headers=headers)
        await response.prepare(self.request)
        return response

    async def send(self, response: web.StreamResponse, parts: list[bytes]) -> None:
        """Sends the parts one by one: at once, after a delay, or when the gate is opened."""
        gate = self.told.gate
        with self.gates.used(gate) if gate else nullcontext():
            for index, part in enumerate(parts):
                if gate:
                    try:
                        async with asyncio.timeout(_GATE_SECONDS):
                            await self.gates.passed(gate, index)
                    except TimeoutError:
                        raise HangUp from None
                if index and self.told.delay:
                    await asyncio.sleep(self.told.delay)
                if part == DONE:
                    await asyncio.sleep(self.told.end_delay)
                await self.passage.passable()
                await response.write(part)

    async def send_raw(self, data: bytes) -> NoReturn:
        """Writes bytes past aiohttp, which refuses to send invalid HTTP, and hangs up."""
        if self.request.transport:
            self.request.transport.write(data)
        raise HangUp

    def raw_head(self, length: int) -> bytes:
        """The head of a whole answer that claims this length."""
        return (
            f"HTTP/1.1 200 OK\r\nserver: uvicorn\r\n"
            f"content-type: {self.answer.content_type}\r\ncontent-length: {length}\r\n\r\n"
        ).encode()
