"""Reasoning as `encrypted_content`: what an app without a stored conversation carries for us.

OpenAI encrypts it, since its reasoning is secret. Ours is not: the text is only packed, so that an
app hands it back unchanged, and so that what another server made is recognised and left alone.
"""

import base64
import binascii

# What it begins with tells it from OpenAI's, which begins with `gAAAA`.
_PREFIX = "vi1_"


def encode(reasoning: str) -> str:
    """Packs a reasoning text into what an app takes for encrypted. `decode` is its inverse."""
    return _PREFIX + base64.urlsafe_b64encode(reasoning.encode(errors="replace")).decode()


def decode(content: str) -> str | None:
    """The reasoning text that `encode` packed, or None for anything else, such as OpenAI's own."""
    if not content.startswith(_PREFIX) or not content.isascii():
        return None
    try:
        packed = base64.b64decode(content[len(_PREFIX) :], altchars=b"-_", validate=True)
        return packed.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
