"""vLLM's HTTP server: has the model answer a request, with what goes wrong on the way."""

import asyncio
from dataclasses import dataclass

from aiohttp import hdrs, web

from ..answering import whole
from ..mischief import faults
from ..mischief.exchange import DIRECT, Exchange, Passage
from ..mischief.gates import Gates
from ..mischief.mishaps import Mishap, befallen
from . import refusals
from .listed.form import Form, read_form
from .listed.routes import UPLOAD_ROUTES
from .model import Model


@dataclass(frozen=True, slots=True)
class Vllm:
    """Serves one model to Vast's OpenAI interface, to the workers and to real PyWorkers."""

    model: Model
    gates: Gates

    async def open_path(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Answers a request to vLLM itself, whose path is the operation. Raises Refusal."""
        return await self.open(request, body, None)

    async def open(
        self, request: web.BaseRequest, body: bytes, mishap: Mishap | None
    ) -> web.StreamResponse:
        """As `open_path`, with the mishap that happens to the call."""
        operation = request.raw_path.partition("?")[0]
        if operation in UPLOAD_ROUTES:
            form = read_form(request.headers.get(hdrs.CONTENT_TYPE, ""), body)
            return await self.answer(request, operation, form, mishap)
        require_json(request)
        return await self.answer(request, operation, body, mishap)

    async def answer(
        self,
        request: web.BaseRequest,
        operation: str,
        body: bytes | Form,
        mishap: Mishap | None,
        passage: Passage = DIRECT,
    ) -> web.StreamResponse:
        """Answers `body` over the connection of `request`, by way of `passage`. Raises Refusal."""
        request_id = request.headers.get("x-request-id")
        answer, told = self.model.generate(operation, body, request_id)
        told = befallen(told, mishap)
        if told.first_delay:
            await asyncio.sleep(told.first_delay)
        if told.status is not None:
            return whole(told.body.encode(), told.status, headers=told.headers)
        exchange = Exchange(request, answer, told, self.gates, passage)
        if told.fault is None:
            return await exchange.reply()
        return await faults.play(exchange, told.fault)


def require_json(request: web.BaseRequest) -> None:
    """Raises Refusal if the request does not declare its body as JSON."""
    content_type = request.headers.get(hdrs.CONTENT_TYPE, "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise refusals.wrong_content_type()
