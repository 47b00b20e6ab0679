"""Images and audio on their way from an app's request of another API into a chat completion."""

from collections.abc import Mapping

import msgspec

from ..openai_api.media_parts import MediaName

_NO_TEXT = msgspec.Raw(b'""')


class _Image(msgspec.Struct, omit_defaults=True, gc=False):
    url: msgspec.Raw
    detail: str | None = None


class _Audio(msgspec.Struct, gc=False):
    data: msgspec.Raw
    format: msgspec.Raw


class ImagePart(msgspec.Struct, tag_field="type", tag="image_url", gc=False):
    """An image, as a content part of a chat message."""

    image_url: _Image


class AudioPart(msgspec.Struct, tag_field="type", tag="input_audio", gc=False):
    """Audio, as a content part of a chat message."""

    input_audio: _Audio


class Media:
    """A content part that holds an image or audio, and what the app calls it."""

    __slots__ = ("name", "part")

    def __init__(self, part: ImagePart | AudioPart, name: MediaName) -> None:
        self.part = part
        self.name = name


def encode_chat(chat: Mapping[str, object]) -> tuple[bytes, tuple[MediaName, ...]]:
    """The body of a chat completion, and the names of the `Media` in it, in order."""
    names: list[MediaName] = []

    def part_of(value: object) -> ImagePart | AudioPart:
        assert isinstance(value, Media)
        names.append(value.name)
        return value.part

    return msgspec.json.encode(chat, enc_hook=part_of), tuple(names)


def image(name: MediaName, url: msgspec.Raw = _NO_TEXT, detail: str | None = None) -> Media:
    """An image with this URL, as JSON. One with a problem needs none."""
    return Media(ImagePart(_Image(url, detail)), name)


def audio(name: MediaName, data: msgspec.Raw = _NO_TEXT, form: msgspec.Raw = _NO_TEXT) -> Media:
    """Audio with this base64 and this format, as JSON. One with a problem needs none."""
    return Media(AudioPart(_Audio(data, form)), name)
