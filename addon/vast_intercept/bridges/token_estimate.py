"""How many tokens a chat completion's prompt may have, estimated without the model's tokenizer."""

import math

import msgspec

from ..openai_api.members import DECODE_ERRORS

#: What a model's chat template adds to each message, and to the whole, in tokens.
_PER_MESSAGE = 4
_PER_PROMPT = 3
# About four characters of English are a token
# (https://help.openai.com/en/articles/4936856). UTF-8 takes two to four bytes for most letters of
# other scripts, which are more tokens as well.
_BYTES_PER_TOKEN = 4


class _Chat(msgspec.Struct):
    messages: list[msgspec.Raw] = []
    tools: msgspec.Raw = msgspec.Raw(b"")
    response_format: msgspec.Raw = msgspec.Raw(b"")


_decoder = msgspec.json.Decoder(_Chat)
# The JSON around the text of a message that is nothing else: `{"role":"user","content":""}`.
_AROUND_TEXT = 28


def estimate_tokens(chat: bytes) -> int:
    """Estimates the tokens that the body of a chat completion has for its model.

    It counts bytes, and knows no tokenizer: expect it to be a quarter off for English, and more for
    other languages and for code. A body that is not one counts as text.
    """
    try:
        body = _decoder.decode(chat)
    except DECODE_ERRORS:
        return tokens_of(len(chat))
    messages = (max(len(each) - _AROUND_TEXT, 0) for each in body.messages)
    texts = sum(_PER_MESSAGE + tokens_of(size) for size in messages)
    return _PER_PROMPT + texts + tokens_of(len(body.tools) + len(body.response_format))


def tokens_of(size: int) -> int:
    """Estimates the tokens of a text with so many bytes."""
    return math.ceil(size / _BYTES_PER_TOKEN)
