"""`POST images/generations` and `POST images/edits`: a PNG whose colour follows from the prompt.

The comment in the PNG says what was asked for. Looked up in vLLM-Omni's public code and
documentation, not recorded: the fields, `b64_json` as the only format, and the shape of the answer.
The stand-in makes PNG whatever `output_format` says.
"""

import base64
import re
from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...mischief.exchange import ModelAnswer
from ...mischief.instructions import Instructions
from .. import refusals
from ..model_requests import AnyRequest, read_request
from ..png import png, size_of
from ..vllm_answers import CREATED, Label, Object
from .form import Form, FormFile

_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")
_DEFAULT_SIDE = 1024


class ImageRequest(AnyRequest, frozen=True, kw_only=True):
    """The fields that both operations have, as JSON or as texts of a form."""

    prompt: str
    n: Annotated[int, Meta(ge=1, le=10)] = 1
    size: str | None = None
    response_format: Literal["b64_json", "url", "file"] | None = None
    url: str | list[str] | None = None

    def check(self, label: Label) -> None:
        """Raises Refusal if the model does not serve the request."""
        self.check_model(label.model)
        if self.response_format not in (None, "b64_json"):
            what = f"Only 'b64_json' response format is supported, got: {self.response_format}"
            raise _invalid("response_format", what, self.response_format)

    def measures(self, otherwise: tuple[int, int]) -> tuple[int, int]:
        """The wanted width and height. Raises Refusal for a `size` that is none."""
        if self.size is None:
            return otherwise
        found = _SIZE.fullmatch(self.size)
        width, height = map(int, found.groups()) if found else (0, 0)
        if not (width and height):
            what = "size must be in format 'WIDTHxHEIGHT' (e.g., '1024x1024')"
            raise _invalid("size", what, self.size)
        return width, height


def generate(body: bytes, label: Label) -> tuple[ModelAnswer, Instructions]:
    """Answers a request for new images. Raises Refusal."""
    request = read_request(ImageRequest, body)
    request.check(label)
    return _answer(request, request.measures((_DEFAULT_SIDE, _DEFAULT_SIDE)), request.prompt)


def edit(form: Form, label: Label) -> tuple[ModelAnswer, Instructions]:
    """Answers a request to change images. Raises Refusal.

    Without a `size`, or with `auto`, the answer is as large as the first image.
    """
    request = form.read(ImageRequest)
    request.check(label)
    images = form.files.get("image", []) + form.files.get("image[]", [])
    if not images and not request.url:
        message = "Field 'image' or 'url' is required"
        raise refusals.bad_request(message, "image")
    first = size_of(images[0].data) if images else None
    if images and first is None:
        raise refusals.bad_request(f"cannot identify image file {images[0].name!r}", "image")
    if request.size == "auto":
        request = msgspec.structs.replace(request, size=None)
    came = [_described("image", file) for file in images]
    came += [_described("mask", file) for file in form.files.get("mask", [])]
    text = "\n".join((request.prompt, *came))
    return _answer(request, request.measures(first or (_DEFAULT_SIDE, _DEFAULT_SIDE)), text)


def _described(what: str, file: FormFile) -> str:
    size = len(file.data)
    return f"{what} {file.name}, {size} bytes, SHA-256 {sha256(file.data).hexdigest()}"


def _answer(
    request: ImageRequest, measures: tuple[int, int], text: str
) -> tuple[ModelAnswer, Instructions]:
    text = text if request.told.text is None else request.told.text
    images = [png(*measures, f"{index}: {text}") for index in range(request.n)]
    answer: Object = {
        "created": CREATED,
        "data": [
            {
                "b64_json": base64.b64encode(image).decode(),
                "url": None,
                "revised_prompt": None,
            }
            for image in images
        ],
        "output_format": "png",
        "size": "{}x{}".format(*measures),
        "cot_output": None,
        "metrics": None,
    }
    return ModelAnswer([msgspec.json.encode(answer)]), request.told


def _invalid(field: str, what: str, given: str | None) -> Exception:
    return refusals.invalid("value_error", f"body.{field}", f"Value error, {what}", str(given))
