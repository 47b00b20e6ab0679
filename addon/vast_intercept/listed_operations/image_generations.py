"""Image generation: a text becomes images.

https://platform.openai.com/docs/api-reference/images/create.
"""

from dataclasses import dataclass

import msgspec

from ..openai_api.amounts import Amounts
from ..openai_api.members import DECODE_ERRORS
from ..openai_api.outline import Buffer, Outline
from ..openai_api.reading import decode, not_served
from .costs import images_cost
from .images import BASE64_FORMAT, asks_for_url, image_answer
from .json_body import JsonBody, read_json_body
from .json_call import JsonCall
from .listed_call import ListedAnswer, Steps

_text = msgspec.json.Decoder(str)
_flag_or_null = msgspec.json.Decoder(bool | None)
_shallow = msgspec.json.Decoder(str | int | float | bool | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesCall(JsonCall):
    """A `ListedCall` whose answer has images, in base64 or as `data:` URLs."""

    as_url: bool

    def answer(self, body: Buffer) -> Steps[ListedAnswer]:
        """Makes the app's answer. Raises ApiError (502) for an answer without images."""
        return image_answer(body, as_url=self.as_url)


def read_image_generation(body: Buffer, made: Outline | None = None) -> ImagesCall:
    """Reads the body of a call for images. Raises ApiError (400) for what cannot be served.

    `made` is the outline of a large body. The number of characters is then an estimate.
    """
    read = read_json_body(body, made)
    prompt = decode(_text, read.required("prompt"), "prompt")
    model = read.text("model")
    _check_is_no_stream(read)
    as_url = asks_for_url(
        read.text("response_format"), model, [name for name in read.members if read.is_there(name)]
    )
    size = _shallow_value(read, "size")
    # vLLM-Omni refuses these, which mean the same as nothing (FACTS V24).
    without_effect = ("size",) * (size == "auto") + ("n",) * (not read.is_there("n"))
    return ImagesCall(
        model=model,
        pieces=read.pieces({"response_format": BASE64_FORMAT}, read.reserved + without_effect),
        cost=images_cost(size, _shallow_value(read, "n")),
        amounts=Amounts(characters=read.characters("prompt", len(prompt))),
        left_out=read.reserved,
        as_url=as_url,
    )


def _check_is_no_stream(read: JsonBody) -> None:
    stream = decode(_flag_or_null, read.value("stream"), "stream")
    partial = _shallow_value(read, "partial_images")
    for name in ("stream",) * bool(stream) + ("partial_images",) * bool(partial):
        raise not_served(
            f"The parameter {name!r} asks for images as they are made, which Vast cannot serve: its"
            " workers give finished images only.",
            name,
        )


def _shallow_value(read: JsonBody, name: str) -> object:
    """The value of a member; None for a list, an object, and a number that is too large."""
    try:
        return _shallow.decode(read.value(name))
    except DECODE_ERRORS:
        return None
