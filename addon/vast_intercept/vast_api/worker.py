"""A worker: the call that Vast's PyWorker passes on to its model server (FACTS V4)."""

from collections.abc import Iterable

from yarl import URL

from ..openai_api.operations import Operation
from ..openai_api.rewriting import Piece


def call_url(worker: URL, operation: Operation) -> URL:
    """The URL at which a worker takes calls of an operation."""
    return worker / "v1" / operation


def call_body(auth_data: bytes, payload: Iterable[Piece]) -> list[Piece]:
    """The body of a call, in pieces: the router's answer, and the app's body.

    Both go in as they are: to decode and encode them would cost time, and change them.
    """
    head = b'{"auth_data":%b,"session_id":null,"payload":' % auth_data
    return [head, *payload, b"}"]
