"""Answers of the console and the router that a test puts in the place of theirs."""

import asyncio
from typing import Annotated, Literal, get_args

from aiohttp import web
from msgspec import Meta, Struct

from . import faults
from .exchange import HangUp, whole
from .recorder import Answering

type Overridable = Literal["route", "endptjobs", "root", "workers"]

NAMES: tuple[Overridable, ...] = get_args(Overridable.__value__)


class Override(Struct, kw_only=True, forbid_unknown_fields=True):
    """The answer to the next so many requests."""

    status: Annotated[int, Meta(ge=200, le=599)] = 200
    body: str = ""
    headers: dict[str, str] = {}
    times: Annotated[int, Meta(ge=1)] = 1
    fault: Literal["drop", "hang"] | None = None

    async def answer(self) -> web.StreamResponse:
        """Raises HangUp where the connection is to end."""
        if self.fault == "hang":
            await asyncio.sleep(faults.SILENCE)
        if self.fault:
            raise HangUp
        return whole(self.body.encode(), self.status, headers=self.headers)


class Overrides:
    """At most one for each thing that can be asked."""

    def __init__(self) -> None:
        self._of: dict[Overridable, Override] = {}

    def set(self, what: Overridable, override: Override) -> None:
        """Takes the place of one that there is."""
        self._of[what] = override

    def remove(self, what: Overridable) -> None:
        """If there is one."""
        self._of.pop(what, None)

    def over(self, what: Overridable, usual: Answering) -> Answering:
        """The usual answer, unless there is another."""

        async def answer(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
            override = self._of.get(what)
            if override is None:
                return await usual(request, body)
            override.times -= 1
            if not override.times:
                del self._of[what]
            return await override.answer()

        return answer
