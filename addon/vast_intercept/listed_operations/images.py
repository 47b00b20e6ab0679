"""Images of an answer: in base64, or as the `data:` URL that an app gets which asked for a URL.

vLLM serves images in base64 only, and the interceptor has no place where it could keep them.
OpenAI's URLs are gone after an hour, so apps download them at once. A `data:` URL (RFC 2397) has
the image in it, and clients and browsers read it without a server.
"""

import base64
from collections.abc import Collection, Mapping

import msgspec

from ..openai_api.amounts import Amounts
from ..openai_api.image_formats import image_format
from ..openai_api.limits import STEP
from ..openai_api.members import DECODE_ERRORS, NULL, any_object
from ..openai_api.outline import Buffer
from ..openai_api.reading import invalid_value
from ..openai_api.usage import read_usage
from .listed_call import JSON, ListedAnswer, Steps
from .long_members import LongMember, bad_answer, take_base64

_FORMATS = ("url", "b64_json")

#: What a worker is always asked for, as a JSON value.
BASE64_FORMAT = b'"b64_json"'

# OpenAI's models that give a URL unless they are asked for base64. Without a model, as in calls of
# openai 0.28 (FACTS C45), dall-e-2 is meant, unless a parameter is there that it does not know.
# https://platform.openai.com/docs/api-reference/images/create
_WITH_URL = frozenset({"dall-e-2", "dall-e-3"})
_ONLY_OF_NEWER_MODELS = frozenset(
    {"background", "input_fidelity", "moderation", "output_compression", "output_format"}
)

# Characters of base64 that are looked at to tell an image's format.
_LOOKED_AT = 32

# Values of an answer that are decoded in one go, as its commas and brackets tell. Ten images have
# a dozen members each.
_MOST_VALUES = 20_000
_MOST_IMAGES = 1_000
_MARKS = (b",", b"{", b"[")

_IMAGE = LongMember("b64_json")


class _Answer(msgspec.Struct):
    data: list[dict[str, msgspec.Raw]]
    model: str | None = None
    usage: msgspec.Raw = NULL


_answer = msgspec.json.Decoder(_Answer)
_index = msgspec.json.Decoder(tuple[int])


def asks_for_url(
    response_format: str | None, model: str | None, others: Collection[str] = ()
) -> bool:
    """Whether the app expects images as URLs, by the `response_format` and the `model` it names.

    `others` are the names of all parameters. Raises ApiError (400) for an unknown format.
    """
    if response_format is not None:
        if response_format not in _FORMATS:
            raise invalid_value("response_format", response_format, _FORMATS)
        return response_format == "url"
    if model:
        return model in _WITH_URL
    return _ONLY_OF_NEWER_MODELS.isdisjoint(others)


def image_answer(body: Buffer, *, as_url: bool) -> Steps[ListedAnswer]:
    """Makes the app's answer of one with images in base64.

    Raises ApiError (502) for an answer that has no images.
    """
    images = _Images(body)
    skeleton = yield from _IMAGE.take_out(body, images.take)
    if sum(map(skeleton.count, _MARKS)) > _MOST_VALUES:
        raise bad_answer("it has too much in it besides images")
    try:
        found, members = _answer.decode(skeleton), any_object.decode(skeleton)
        chosen = [_index.decode(entry.get("b64_json", NULL))[0] for entry in found.data]
        spans = [images.spans[index] for index in chosen]
    except (*DECODE_ERRORS, IndexError) as error:
        raise bad_answer(f"it is not one of images ({error})") from None
    if not spans:
        raise bad_answer("it has no image")
    return ListedAnswer(
        (yield from _with_urls(body, members, found.data, spans)) if as_url else body,
        JSON,
        Amounts(images=len(spans), bytes=sum(_size(body, span) for span in spans)),
        read_usage(found.usage),
        found.model,
    )


class _Images:
    """The images of an answer: where they stand in it, with their quotes."""

    def __init__(self, body: Buffer) -> None:
        self._body = body
        self.spans: list[slice] = []

    def take(self, position: int) -> Steps[tuple[int, bytes]]:
        """Takes the image that begins at this position; what is no text is left where it is.

        Returns its end, and its number in a list.
        """
        first = self._body[position : position + 1]
        if first == b"[":
            raise bad_answer("it has an image that is a list")
        if first != b'"':
            return position, b""
        end = yield from take_base64(self._body, position, lambda _: None)
        if len(self.spans) == _MOST_IMAGES:
            raise bad_answer(f"it has more than {_MOST_IMAGES:,} images")
        self.spans.append(slice(position, end))
        return end, b"[%d]" % (len(self.spans) - 1)


def _size(body: Buffer, span: slice) -> int:
    """How many bytes an image has that stands there in base64, with quotes."""
    padding = body.count(b"=", span.stop - 3, span.stop)
    return int(3 * (span.stop - span.start - 2 - padding) // 4)


def _with_urls(
    body: Buffer,
    members: Mapping[str, msgspec.Raw],
    entries: list[dict[str, msgspec.Raw]],
    spans: list[slice],
) -> Steps[bytearray]:
    """The answer with `url` in place of `b64_json`, and all other members as they are."""
    made = bytearray(_open({name: members[name] for name in members if name != "data"}))
    made += b'"data":['
    for entry, span in zip(entries, spans, strict=True):
        others = {name: entry[name] for name in entry if name not in {"b64_json", "url"}}
        made += _open(others) + b'"url":"data:%b;base64,' % _type_of(body, span)
        for start in range(span.start + 1, span.stop, STEP):
            made += memoryview(body)[start : min(start + STEP, span.stop)]
            yield
        made += b"},"
    made[-1:] = b"]}"
    return made


def _open(members: Mapping[str, msgspec.Raw]) -> bytes:
    """The beginning of a JSON object with these members, to which another one can be added."""
    return msgspec.json.encode(members)[:-1] + (b"," if members else b"")


def _type_of(body: Buffer, span: slice) -> bytes:
    """The content type of an image in base64, by its first bytes. PNG is OpenAI's default."""
    start, end = span.start + 1, span.stop - 1
    # Each character may be an escaped slash.
    begin = bytes(body[start : min(start + 2 * _LOOKED_AT, end)]).replace(b"\\/", b"/")
    name = image_format(base64.b64decode(begin[:_LOOKED_AT])) or "PNG"
    return b"image/" + name.lower().encode()
