"""Calls of `images/generations` and `images/edits`, and what images they brought.

https://platform.openai.com/docs/api-reference/images
"""

from typing import Any

from ..extent import made_small
from ..layout import block, json_value, paragraphs, typed
from ..media_text import base64_text, url_text
from ..parameters import head_of
from ..rendering import Circumstances, facts_text
from ..transcript import texts_of
from .entries import bounded, tokens_of

_DEFAULTS = {"n": 1}
# Of an edit whose body is JSON, images.
_IMAGES = ("image", "images", "mask")


def request_text(request: dict[str, Any]) -> str:
    """The request: its parameters, images and prompt."""
    head = head_of(request, elsewhere={"prompt", *_IMAGES}, defaults=_DEFAULTS)
    images = [
        block(name, _image(each))
        for name in _IMAGES
        if (value := request.get(name)) is not None
        for each in (value if isinstance(value, list) else [value])
    ]
    shown = bounded(images, len(images))
    return paragraphs([head, *shown, *texts_of("prompt", request.get("prompt"))])


def answer_text(body: bytes, about: Circumstances) -> str | None:
    """The answer: what each image is. None if it is something else."""
    small = made_small(body)
    answer = typed(json_value(small), dict) if small else {}
    data = answer.get("data")
    if not isinstance(data, list):
        return None
    shown = (_made(number, typed(each, dict)) for number, each in enumerate(data))
    facts = facts_text(
        about, typed(answer.get("model"), str), tokens=tokens_of(answer.get("usage"))
    )
    return paragraphs([*bounded(shown, len(data)), facts])


def _made(number: int, entry: dict[str, Any]) -> str:
    revised = typed(entry.get("revised_prompt"), str)
    return block(f"{number}: {_image(entry)}", block("revised prompt", revised) if revised else "")


def _image(value: Any) -> str:
    """An image in a request or an answer: base64, a URL, or an object with either."""
    fields = typed(value, dict)
    for member in ("b64_json", "url", "image_url", "file_id"):
        if isinstance(found := fields.get(member), str) and found:
            return base64_text(found) if member == "b64_json" else url_text(found)
    if isinstance(value, str):
        is_url = value.startswith(("data:", "http:", "https:"))
        return url_text(value) if is_url else base64_text(value)
    return "no image"
