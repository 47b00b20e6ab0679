"""One request and the way its answer goes out: in one piece or in many, slowly, or to the byte."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from aiohttp import web

from .gates import Gates
from .instructions import Instructions

JSON = "application/json"
HTML = "text/html; charset=utf-8"
EVENT_STREAM = "text/event-stream; charset=utf-8"

DONE = b"data: [DONE]\n\n"

# What vLLM's HTTP server says of itself.
_SERVER = {"server": "uvicorn"}

# Nobody who opens gates takes that long between two.
_GATE_SECONDS = 60


class HangUp(Exception):  # noqa: N818  (not a failure: what the stand-in was told to do)
    """The connection is to end here and now, whatever was sent of the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as bytes: the events of a stream, or the one part of a whole answer."""

    parts: list[bytes]
    stream: bool = False

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.parts)

    @property
    def content_type(self) -> str:
        """What it is."""
        return EVENT_STREAM if self.stream else JSON


def whole(
    body: bytes, status: int = 200, content_type: str = JSON, headers: dict[str, str] | None = None
) -> web.Response:
    """An answer in one piece. Without a body it has no content type, either."""
    head = {**_SERVER, **({"content-type": content_type} if body else {})}
    for name, value in (headers or {}).items():
        head[name.lower()] = value
    return web.Response(status=status, body=body, headers=head)


class Passage:
    """How vLLM's answers come to the client: as they are."""

    def headers(self, answer: Answer) -> dict[str, str]:
        """What stands in the head of an answer."""
        return {**_SERVER, "content-type": answer.content_type}

    async def passable(self) -> None:
        """Returns when the next part of an answer may pass."""


DIRECT = Passage()


class Exchange:
    """A request, the answer that it would get, and what the stand-in was told to do about it."""

    def __init__(
        self,
        request: web.BaseRequest,
        answer: Answer,
        told: Instructions,
        gates: Gates,
        passage: Passage = DIRECT,
    ) -> None:
        self.request = request
        self.answer = answer
        self.told = told
        self._gates = gates
        self._passage = passage

    async def reply(self) -> web.StreamResponse:
        """The answer, as fast as it is wanted."""
        if self.answer.stream:
            response = await self.begin()
            await self.send(response, self.answer.parts)
            await asyncio.sleep(self.told.end_delay)
            return response
        if not self.told.delay and not self.told.gate:
            return whole(self.answer.body)
        response = await self.begin()
        # A whole answer's head goes where a stream's first chunk does: out at once.
        await self.send(response, [b"", self.answer.body])
        return response

    async def begin(self) -> web.StreamResponse:
        """Sends the head."""
        headers = self._passage.headers(self.answer)
        if not self.answer.stream:
            headers["content-length"] = str(len(self.answer.body))
        response = web.StreamResponse(headers=headers)
        await response.prepare(self.request)
        return response

    async def send(self, response: web.StreamResponse, parts: list[bytes]) -> None:
        """Sends the parts, each on its own: at once, or when its time or its gate has come."""
        if self.told.gate:
            with self._gates.used(self.told.gate):
                await self._send_gated(response, parts, self.told.gate)
            return
        for index, part in enumerate(parts):
            if index and self.told.delay:
                await asyncio.sleep(self.told.delay)
            if part == DONE:
                await asyncio.sleep(self.told.end_delay)
            await self._passage.passable()
            await response.write(part)

    async def _send_gated(
        self, response: web.StreamResponse, parts: list[bytes], gate: str
    ) -> None:
        for index, part in enumerate(parts):
            try:
                async with asyncio.timeout(_GATE_SECONDS):
                    await self._gates.passed(gate, index)
            except TimeoutError:
                raise HangUp from None
            if index and self.told.delay:
                await asyncio.sleep(self.told.delay)
            if part == DONE:
                await asyncio.sleep(self.told.end_delay)
            await self._passage.passable()
            await response.write(part)

    async def send_raw(self, data: bytes) -> NoReturn:
        """Sends bytes past aiohttp, which would not send what is wrong, and hangs up."""
        if self.request.transport:
            self.request.transport.write(data)
        raise HangUp

    def raw_head(self, length: int) -> bytes:
        """The head of a whole answer that claims this length."""
        status = HTTPStatus.OK
        return (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nserver: uvicorn\r\n"
            f"content-type: {self.answer.content_type}\r\ncontent-length: {length}\r\n\r\n"
        ).encode()
