"""Answers that every server of the stand-in gives: whole ones, refusals, and hanging up."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import hdrs, web

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
type Answering = Callable[[web.BaseRequest, bytes], Awaitable[web.StreamResponse]]
"""Answers a request with this body."""

JSON = "application/json"

# What vLLM's HTTP server says of itself.
SERVER = {"server": "uvicorn"}

_MAX_BODY = 100 * 1024 * 1024


class HangUp(Exception):  # noqa: N818  (not a failure: what the stand-in was told to do)
    """The connection is to end here and now, whatever was sent of the answer."""


class Refusal(Exception):  # noqa: N818  (an answer, not a failure of the stand-in)
    """The answer is an error. `body` is its JSON."""

    def __init__(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = msgspec.json.encode(body)
        self.headers = headers or {}

    def answer(self) -> web.Response:
        """The answer that the client gets."""
        return whole(self.body, self.status, headers=self.headers)


def not_found() -> Refusal:
    """No such path, or no such endpoint."""
    return Refusal(404, {"detail": "Not Found"})


def method_not_allowed(allow: str = "POST") -> Refusal:
    """The path exists, for another method."""
    return Refusal(405, {"detail": "Method Not Allowed"}, {"allow": allow})


def whole(
    body: bytes, status: int = 200, content_type: str = JSON, headers: dict[str, str] | None = None
) -> web.Response:
    """An answer in one piece. Without a body it has no content type, either."""
    head = {**SERVER, **({"content-type": content_type} if body else {})}
    head |= {name.lower(): value for name, value in (headers or {}).items()}
    return web.Response(status=status, body=body, headers=head)


def json_answer(value: object, status: int = 200) -> web.Response:
    """A value as JSON, in one piece."""
    return whole(msgspec.json.encode(value), status)


def decode[T](body: bytes, kind: type[T], field: str = "error") -> T:
    """The JSON of a body. Raises Refusal, which says in `field` what is wrong with it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refusal(400, {field: str(error)}) from None


def bearer(request: web.BaseRequest) -> str | None:
    """The key of `Authorization: Bearer KEY`. None if the header has no such key."""
    scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return key if scheme.lower() == "bearer" else None


async def receive(request: web.BaseRequest, received: bytearray) -> None:
    """Reads the body into `received`. Raises Refusal if there is too much of it.

    The limit was not recorded: vLLM itself has none.
    """
    while piece := await request.content.readany():
        received += piece
        if len(received) > _MAX_BODY:
            raise Refusal(413, {"detail": "Request Entity Too Large"})
