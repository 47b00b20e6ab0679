"""The routes of the worker: what each counts as its load, and how uploads reach the model server.

As Vast's OpenAI-compatible worker has them (FACTS V14 to V17), written anew and only as far as the
tests go. `worker.py` imports this in the PyWorker's own Python.
"""

import base64
import binascii
import io
import wave
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any

from vastai import BenchmarkConfig, HandlerConfig
from vastai.serverless.server.lib.data_types import ApiPayload, JsonDataException

BENCHMARKED = "/v1/completions"
DEFAULT_ROUTES = ("/v1/chat/completions", BENCHMARKED)

_UNIT = 500  # the load of a call that is as large as the reference of its kind
_AUDIO = {"flac": "audio/flac", "mp3": "audio/mpeg", "ogg": "audio/ogg", "wav": "audio/wav"}
_FILE_BYTES = 25 * 1024 * 1024


def handlers(
    routes: Iterable[str], max_queue_time: float, benchmark: BenchmarkConfig
) -> list[HandlerConfig]:
    """The configuration of these routes. `OPENAI_ROUTES` of Vast's template lists them."""
    return [
        HandlerConfig(
            route=route,
            allow_parallel_requests=True,
            max_queue_time=max_queue_time,
            benchmark_config=benchmark if route == BENCHMARKED else None,
            **_KNOWN[route],
        )
        for route in routes
    ]


def _in_units(size: float, reference: float) -> float:
    return _UNIT * min(max(size / reference, 0.1), 8)


def _tokens(payload: dict[str, Any]) -> Any:
    return payload.get("max_tokens", 0)


def _embedded(payload: dict[str, Any]) -> float:
    given = payload.get("input")
    items = given if isinstance(given, list) else [given]
    return _in_units(sum(map(_characters, items)), 600)


def _characters(item: Any) -> int:
    """The characters of a text. A token counts as four."""
    if isinstance(item, str):
        return len(item)
    return 4 * len(item) if isinstance(item, list) else 4


def _spoken(payload: dict[str, Any]) -> float:
    return _in_units(len(payload.get("input", "")), 500)


def _unwrapped(payload: dict[str, Any]) -> dict[str, Any]:
    """The request. Only where `input` is no field of it, it may stand in that field."""
    given = payload.get("input")
    return given if isinstance(given, dict) else payload


class Transcription(ApiPayload):  # type: ignore[misc]  # the package has no types here
    """A file in base64 and texts in JSON, which the model server gets as a form."""

    def __init__(self, fields: dict[str, Any], name: str, data: bytes) -> None:
        self._fields = fields
        self._name = name
        self._data = data

    @classmethod
    def for_test(cls) -> "Transcription":
        """Not benchmarked."""
        raise NotImplementedError

    @classmethod
    def from_json_msg(cls, json_msg: dict[str, Any]) -> "Transcription":
        """Reads the payload of a call. Raises JsonDataException, which the worker answers 422."""
        fields = dict(json_msg)
        name = PurePosixPath(fields.pop("filename", None) or "audio.wav").name
        try:
            data = base64.b64decode(fields.pop("file"), validate=True)
        except KeyError:
            raise JsonDataException({"file": "field missing"}) from None
        except (binascii.Error, TypeError, ValueError):
            raise JsonDataException({"file": "not valid base64"}) from None
        if len(data) > _FILE_BYTES:
            raise JsonDataException({"file": f"larger than {_FILE_BYTES} bytes"})
        if _kind(name) not in _AUDIO:
            raise JsonDataException({"filename": f"unsupported file type {_kind(name)!r}"})
        return cls(fields, name, data)

    def generate_payload_json(self) -> dict[str, Any]:
        """Not asked for where there is a form."""
        raise NotImplementedError

    def generate_payload_multipart(self) -> dict[str, Any]:
        """The fields of the form."""
        return {"file": (self._name, self._data, _AUDIO[_kind(self._name)]), **self._fields}

    def count_workload(self) -> float:
        """By seconds: of a WAV exactly, of others by their size."""
        try:
            with wave.open(io.BytesIO(self._data)) as file:
                return _in_units(file.getnframes() / file.getframerate(), 30)
        except (wave.Error, EOFError):
            return _in_units(len(self._data) / 16_000, 30)


def _kind(name: str) -> str:
    return name.rpartition(".")[2].lower()


_KNOWN: dict[str, dict[str, Callable[..., Any] | type]] = {
    "/v1/chat/completions": {
        "workload_calculator": _tokens,
        "request_parser": lambda payload: payload.get("input") or payload,
    },
    BENCHMARKED: {
        "workload_calculator": _tokens,
        "request_parser": lambda payload: payload.get("input") or payload,
    },
    "/v1/embeddings": {"workload_calculator": _embedded, "request_parser": _unwrapped},
    "/v1/audio/speech": {"workload_calculator": _spoken, "request_parser": _unwrapped},
    "/v1/audio/transcriptions": {"payload_class": Transcription},
}
