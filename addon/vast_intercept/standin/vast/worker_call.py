"""Reads the body of a call to a worker as Vast's PyWorker does. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from ..answering import Json
from ..model_server.listed.form import Form
from ..model_server.listed.routes import ROUTES
from .uploads import SPEECH, UPLOADS, InvalidUpload, check_voices
from .workload import load_of

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
    """A valid call.

    `request` is what the model server gets: the payload byte for byte, or a form made of it.
    `load` is what the worker counts.
    """

    auth_data: dict[str, Any]
    request: bytes | Form
    load: float
    session_id: str | None

    @property
    def cost(self) -> float | None:
        """The load that the router was told. None if it was no number."""
        cost = self.auth_data["cost"]
        return cost if isinstance(cost, int | float) else None


def read_worker_call(route: str, body: bytes) -> WorkerCall:
    """Reads the body of a call to a route. Raises InvalidCall, with an error for each field."""
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
    if "payload" not in fields:
        invalid["payload"] = "field missing"
        raise InvalidCall(invalid)
    payload, form = bytes(fields["payload"]), None
    try:
        content = _object.decode(payload) if route in ROUTES else _limit_of(payload)
        if read_upload := UPLOADS.get(route):
            form = read_upload(content)
        elif route == SPEECH:
            check_voices(content)
    except msgspec.ValidationError:
        invalid["payload"] = {"data": "payload must be a dictionary"}
    except InvalidUpload as upload:
        invalid["payload"] = upload.error
    if invalid:
        raise InvalidCall(invalid)
    session_id = fields.get("session_id")
    return WorkerCall(
        auth_data,
        payload if form is None else form,
        load_of(route, content, form),
        None if session_id is None else msgspec.json.decode(session_id),
    )


def _limit_of(payload: bytes) -> dict[str, Any]:
    """The one field of a request for text that the worker reads. The others may be large."""
    fields = _body.decode(payload)
    return {name: msgspec.json.decode(fields[name]) for name in ("max_tokens",) if name in fields}


def _read_object(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        return _object.decode(raw)
    except msgspec.ValidationError:
        return {}
