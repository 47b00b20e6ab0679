"""How many tokens a chat completion's prompt may have, estimated without the model's tokenizer."""

import math
from collections.abc import Collection

import msgspec

from ..openai_api.media_parts import MediaName
from ..openai_api.members import DECODE_ERRORS

#: What a model's chat template adds to each message, and to the whole, in tokens.
_PER_MESSAGE = 4
_PER_PROMPT = 3
# An image of a megapixel: 765 tokens for OpenAI's models, 1,334 for Anthropic's
# (https://docs.anthropic.com/en/docs/build-with-claude/vision, width times height by 750). How
# large it is cannot be seen from its URL.
_PER_MEDIA = 1_000
# About four characters of English are a token
# (https://help.openai.com/en/articles/4936856). UTF-8 takes two to four bytes for most letters of
# other scripts, which are more tokens as well.
_BYTES_PER_TOKEN = 4


class _Chat(msgspec.Struct):
    messages: list[msgspec.Raw] = []
    tools: msgspec.Raw = msgspec.Raw(b"")
    response_format: msgspec.Raw = msgspec.Raw(b"")


class _Part(msgspec.Struct, gc=False):
    image_url: msgspec.Raw = msgspec.Raw(b"")
    input_audio: msgspec.Raw = msgspec.Raw(b"")


class _Message(msgspec.Struct, gc=False):
    content: list[_Part] = []


_parts = msgspec.json.Decoder(_Message)
_decoder = msgspec.json.Decoder(_Chat)
# The JSON around the text of a message that is nothing else: `{"role":"user","content":""}`.
_AROUND_TEXT = 28


def estimate_tokens(chat: bytes, media: Collection[MediaName] = ()) -> int:
    """Estimates the tokens that the body of a chat completion has for its model.

    `media` are the images and audio in it.

    It counts bytes, and knows no tokenizer: expect it to be a quarter off for English, and more for
    other languages and for code. A body that is not one counts as text.
    """
    try:
        body = _decoder.decode(chat)
    except DECODE_ERRORS:
        return tokens_of(len(chat))
    sizes = map(_size_without_media, body.messages) if media else map(len, body.messages)
    messages = (max(size - _AROUND_TEXT, 0) for size in sizes)
    texts = len(media) * _PER_MEDIA + sum(_PER_MESSAGE + tokens_of(size) for size in messages)
    return _PER_PROMPT + texts + tokens_of(len(body.tools) + len(body.response_format))


def _size_without_media(message: msgspec.Raw) -> int:
    """The bytes of a message without those of URLs and data, which are not what a model reads."""
    try:
        parts = _parts.decode(message).content
    except DECODE_ERRORS:  # the content is a text
        return len(message)
    return len(message) - sum(len(part.image_url) + len(part.input_audio) for part in parts)


def tokens_of(size: int) -> int:
    """Estimates the tokens of a text with so many bytes."""
    return math.ceil(size / _BYTES_PER_TOKEN)
