"""Images and audio in the messages of a chat, for a model that sees or hears.

What vLLM refuses was looked up in its public code, not recorded, but for the words about a model
that takes text only. The stand-in fetches nothing: of a URL it says where it points to.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any

from . import refusals
from .png import size_of

type Modality = str

# By the type of a part: what a model needs to take it.
_MODALITIES: dict[str, Modality] = {
    "audio_embeds": "audio",
    "audio_url": "audio",
    "image_embeds": "image",
    "image_pil": "image",
    "image_url": "image",
    "input_audio": "audio",
    "input_image": "image",
    "video_embeds": "video",
    "video_url": "video",
}

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)[^,]*,")


def modality_of(kind: str) -> Modality | None:
    """What a part of this type is: image, audio or video. None for text and unknown types."""
    return _MODALITIES.get(kind)


def described(part: dict[str, Any]) -> str:
    """What a part holds, such as `image 640x480`. Raises Refusal if that cannot be read."""
    kind = str(part["type"])
    modality = _MODALITIES[kind]
    content = part.get(kind)
    if kind == "input_audio":
        data = _decoded(_member(content, "data"))
        return f"audio {_member(content, 'format')}, {len(data)} bytes"
    url = content if isinstance(content, str) else _member(content, "url")
    if url.startswith(("http://", "https://")):
        return f"{modality} at {url}"
    found = _DATA_URL.match(url)
    if found is None:
        raise refusals.bad_request("The URL must be either a HTTP, data or file URL.")
    data = _decoded(url[found.end() :])
    size = size_of(data)
    return f"{modality} {'{}x{}'.format(*size) if size else found['type']}, {len(data)} bytes"


def counted(parts: Iterable[str]) -> str:
    """The end of an answer to messages with these parts: how many came, and which."""
    came = list(parts)
    return f" ({len(came)} came: {'; '.join(came)}.)" if came else ""


def _member(content: object, name: str) -> str:
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, str):
        raise refusals.bad_request(f"A part of the message has no {name!r}.")
    return value


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise refusals.bad_request("Only base64 data is supported, and this is none.") from None
