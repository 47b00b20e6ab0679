"""Answers that a test puts in place of those of the console and the router."""

from typing import Annotated, Literal, get_args

from aiohttp import web
from msgspec import Meta, Struct

from ..answering import Answering, HangUp, whole
from .faults import stay_silent

type Overridable = Literal["route", "endptjobs", "root", "workers"]

NAMES: tuple[Overridable, ...] = get_args(Overridable.__value__)


class Override(Struct, kw_only=True, forbid_unknown_fields=True):
    """The answer to the next `times` requests."""

    status: Annotated[int, Meta(ge=200, le=599)] = 200
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
    """At most one override for each page."""

    def __init__(self) -> None:
        self._of: dict[Overridable, Override] = {}

    def set(self, what: Overridable, override: Override) -> None:
        """Sets the override of a page, in place of the one before."""
        self._of[what] = override

    def remove(self, what: Overridable) -> None:
        """Removes the override of a page, if there is one."""
        self._of.pop(what, None)

    def over(self, what: Overridable, usual: Answering) -> Answering:
        """Wraps the usual answer of a page: gives the override instead while there is one."""

        async def answer(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
            override = self._of.get(what)
            if override is None:
                return await usual(request, body)
            override.times -= 1
            if not override.times:
                del self._of[what]
            return await override.answer()

        return answer
