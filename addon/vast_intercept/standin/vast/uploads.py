"""Uploads in a call to a worker: base64 in the JSON, which the worker makes a form of (FACTS V17).

The names of fields, the limits, the types of files and what is said of wrong ones are those of
`workers/openai/core.py` in Vast's public worker.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

from ..answering import Json
from ..model_server.listed.form import Form, FormFile
from .workload import voices_of

SPEECH = "/v1/audio/speech"

_FILE_BYTES = 25 * 1024 * 1024
_CALL_BYTES = 64 * 1024 * 1024
_FILES = 16
_NAME_CHARACTERS = 128

_AUDIO = {
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "audio/mp4",
    "mpeg": "audio/mpeg",
    "mpga": "audio/mpeg",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "webm": "audio/webm",
}
_IMAGE = {"jpeg": "image/jpeg", "jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}

_FETCHED = ("http", "https", "data")

_DATA_URI = re.compile(r"data:[^,]{0,122},", re.IGNORECASE)


class InvalidUpload(Exception):  # noqa: N818  (an answer, not a failure)
    """A field of the payload is wrong: `error` has its name, and what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.error: dict[str, Json] = {field: message}


def read_audio(payload: dict[str, Any]) -> Form:
    """The form of `audio/transcriptions` and `audio/translations`. Raises InvalidUpload."""
    fields = dict(payload)
    encoded, name = fields.pop("file", None), fields.pop("filename", None)
    if encoded is None:
        raise InvalidUpload("file", "field missing")
    data = _decoded(encoded, "file")
    return Form(_texts(fields), {"file": [_file(data, name, "audio.wav", _AUDIO, "filename")]})


def read_images(payload: dict[str, Any]) -> Form:
    """The form of `images/edits`. Raises InvalidUpload."""
    fields = dict(payload)
    images, names = fields.pop("image", None), fields.pop("filename", None)
    mask, mask_name = fields.pop("mask", None), fields.pop("mask_filename", None)
    encoded = [] if images is None else images if isinstance(images, list) else [images]
    sizes = [len(each) for each in (*encoded, mask) if isinstance(each, str)]
    if sum(sizes) * 3 // 4 > _CALL_BYTES:
        message = f"request uploads exceed {_CALL_BYTES} bytes in total"
        raise InvalidUpload("image", message)
    if len(encoded) > _FILES:
        raise InvalidUpload("image", f"at most {_FILES} files")
    listed = names if isinstance(names, list) else [names]
    listed += [None] * (len(encoded) - len(listed))
    files = {
        "image": [
            _file(_decoded(each, "image"), name, "image.png", _IMAGE, "filename")
            for each, name in zip(encoded, listed, strict=False)
        ]
    }
    if mask is not None:
        data = _decoded(mask, "mask")
        files["mask"] = [_file(data, mask_name, "image.png", _IMAGE, "mask_filename")]
    if not files["image"] and not (fields.get("url") or fields.get("url[]")):
        raise InvalidUpload("image", "field missing (or pass `url`)")
    return Form(_texts(fields), files)


def check_voices(payload: dict[str, Any]) -> None:
    """Raises InvalidUpload if speech is to imitate a voice that the worker would not fetch."""
    for voice in voices_of(payload):
        if not isinstance(voice, str):
            raise InvalidUpload("ref_audio", "must be a string")
        if voice.partition(":")[0].lower() not in _FETCHED:
            raise InvalidUpload("ref_audio", "must be an http(s) URL or a data: URI")


UPLOADS: dict[str, Callable[[dict[str, Any]], Form]] = {
    "/v1/audio/transcriptions": read_audio,
    "/v1/audio/translations": read_audio,
    "/v1/images/edits": read_images,
}


def _decoded(value: object, field: str) -> bytes:
    if not isinstance(value, str):
        raise InvalidUpload(field, "must be a base64 string")
    if value[:5].lower() == "data:":
        prefix = _DATA_URI.match(value)
        if prefix is None:
            raise InvalidUpload(field, "malformed data: URI")
        value = value[prefix.end() :]
    try:
        data = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidUpload(field, "not valid base64") from None
    if not data:
        raise InvalidUpload(field, "decoded to zero bytes")
    if len(data) > _FILE_BYTES:
        raise InvalidUpload(field, f"larger than {_FILE_BYTES} bytes")
    return data


def _file(data: bytes, given: object, default: str, types: dict[str, str], field: str) -> FormFile:
    """A file under a harmless name. Raises InvalidUpload if its type is not one of these."""
    name = str(given or "").rpartition("/")[2].strip()
    name = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII).lstrip(".") or default
    stem, dot, suffix = name.rpartition(".")
    kind = suffix.lower() if dot else ""
    if kind not in types:
        known = ", ".join(sorted(types))
        message = f"unsupported file type {kind or '(none)'!r}; expected one of {known}"
        raise InvalidUpload(field, message)
    return FormFile(f"{stem[:_NAME_CHARACTERS]}.{suffix}", types[kind], data)


def _texts(fields: dict[str, Any]) -> dict[str, list[str]]:
    """The other fields as texts. A list repeats a field, and null leaves it out."""
    texts: dict[str, list[str]] = {}
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                texts.setdefault(name, []).append(_text(item))
    return texts


def _text(value: object) -> str:
    is_json = isinstance(value, bool | dict | list)
    return json.dumps(value) if is_json else str(value)
