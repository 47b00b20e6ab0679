"""Reads the body of a call to a worker as Vast's PyWorker does. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from ..answering import Json

_AUTH_DATA = ("cost", "endpoint", "reqnum", "request_idx", "signature", "url")

_body = msgspec.json.Decoder(dict[str, msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, Any])


class InvalidCall(Exception):  # noqa: N818  (an answer, not a failure)
    """The body is invalid. The worker answers with this JSON and status 422."""

    def __init__(self, body: dict[str, Json]) -> None:
        super().__init__(body)
        self.body = body


@dataclass(frozen=True, slots=True)
class WorkerCall:
    """A valid call. `payload` is the request to the model server, byte for byte."""

    auth_data: dict[str, Any]
    payload: bytes
    session_id: str | None


def read_worker_call(body: bytes) -> WorkerCall:
    """Reads a body. Raises InvalidCall, with an error for each field."""
    try:
        fields = _body.decode(body)
    except msgspec.ValidationError:
        fields = {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidCall({"error": "invalid JSON"}) from None
    invalid: dict[str, Json] = {}
    auth_data = _read_object(fields.get("auth_data", msgspec.Raw(b"null")))
    missing: dict[str, Json] = {
        name: "missing parameter" for name in _AUTH_DATA if name not in auth_data
    }
    if "auth_data" not in fields:
        invalid["auth_data"] = "field missing"
    elif missing:
        invalid["auth_data"] = missing
    payload = bytes(fields.get("payload", b"")).strip()
    if "payload" not in fields:
        invalid["payload"] = "field missing"
    elif not payload.startswith(b"{"):
        invalid["payload"] = {"data": "payload must be a dictionary"}
    if invalid:
        raise InvalidCall(invalid)
    session_id = fields.get("session_id")
    return WorkerCall(
        auth_data, payload, None if session_id is None else msgspec.json.decode(session_id)
    )


def _read_object(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        return _object.decode(raw)
    except msgspec.ValidationError:
        return {}
