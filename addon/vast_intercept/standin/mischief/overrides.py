"""Answers that a test puts in place of those of the console and the router."""

from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta, Struct

from ..answering import Answering, HangUp, not_found, whole
from .faults import stay_silent
from .instructions import Status


class Override(Struct, kw_only=True, forbid_unknown_fields=True):
    """The answer to the next `times` requests."""

    status: Status = 200
    body: str = ""
    headers: dict[str, str] = {}
    times: Annotated[int, Meta(ge=1)] = 1
    fault: Literal["drop", "hang"] | None = None

    async def answer(self) -> web.StreamResponse:
        """The answer. Raises HangUp if the connection should end instead."""
        if self.fault == "hang":
            await stay_silent()
        if self.fault:
            raise HangUp
        return whole(self.body.encode(), self.status, headers=self.headers)


class Overrides:
    """At most one override for each page, by the name that tests have for the page."""

    def __init__(self) -> None:
        self._of: dict[str, Override | None] = {}

    def set(self, page: str, override: Override | None) -> None:
        """Replaces the override of a page; None removes it. Raises Refusal for no such page."""
        if page not in self._of:
            raise not_found()
        self._of[page] = override

    def over(self, page: str, usual: Answering) -> Answering:
        """Wraps the usual answer of a page: gives the override instead while there is one."""
        self._of[page] = None

        async def answer(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
            override = self._of[page]
            if override is None:
                return await usual(request, body)
            override.times -= 1
            if not override.times:
                self._of[page] = None
            return await override.answer()

        return answer
