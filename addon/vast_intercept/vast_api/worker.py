"""A worker: the call that Vast's PyWorker passes on to its model server (FACTS V4)."""

from collections.abc import Iterable

import msgspec
from yarl import URL

from ..openai_api.members import DECODE_ERRORS, members_of
from ..openai_api.operations import Operation
from ..openai_api.rewriting import Piece

# What names the type of an upload, and the field of the upload itself.
_FILES = {"filename": "file", "mask_filename": "mask"}

# Characters of what an app is told: no field has a longer name.
_LONGEST_NAME = 100
_LONGEST_REASON = 1_000

_texts = msgspec.json.Decoder(dict[str, str])


def call_url(worker: URL, operation: Operation) -> URL:
    """The URL at which a worker takes calls of an operation."""
    return worker / "v1" / operation


def call_body(auth_data: bytes, payload: Iterable[Piece]) -> list[Piece]:
    """The body of a call, in pieces: the router's answer, and the app's body.

    Both go in as they are: to decode and encode them would cost time, and change them.
    """
    head = b'{"auth_data":%b,"session_id":null,"payload":' % auth_data
    return [head, *payload, b"}"]


def refused_field(body: bytes) -> tuple[str, str] | None:
    """The field that a worker finds wrong in a call, and why. None if the body says no such thing.

    With status 422 it answers `{"payload": {"filename": "unsupported file type ..."}}` (FACTS V33).
    A file's name is what it calls the field of the file.
    """
    members = members_of(body) or {}
    try:
        fields = _texts.decode(members.get("payload", body))
    except DECODE_ERRORS:
        return None
    if len(fields) != 1 or "error" in fields:
        return None
    ((name, why),) = fields.items()
    if len(name) > _LONGEST_NAME:
        return None
    return _FILES.get(name, name), why[:_LONGEST_REASON]
