"""How a prompt begins, so that a person can tell calls apart."""

import msgspec

from .members import DECODE_ERRORS

_LENGTH = 200  # characters


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    role: str = ""
    content: str | list[_Part] | None = None


class _Prompt(msgspec.Struct):
    messages: list[_Message] = []
    prompt: str | list[str] = ""


_prompt = msgspec.json.Decoder(_Prompt)


def beginning_of_prompt(body: bytes | bytearray) -> str:
    """The first 200 characters of the last user message, or of the text to complete; "" if none."""
    try:
        decoded = _prompt.decode(body)
    except DECODE_ERRORS:
        return ""
    text = decoded.prompt
    for message in decoded.messages:
        if message.role == "user" and message.content is not None:
            text = message.content if isinstance(message.content, str) else _texts(message.content)
    if isinstance(text, list):
        text = text[0] if text else ""
    return text[:_LENGTH]


def _texts(parts: list[_Part]) -> str:
    return " ".join(part.text for part in parts if part.text)
