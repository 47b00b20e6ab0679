"""Ids of tool calls: Vast's as Anthropic's clients know them, and back.

Some chat templates depend on the ids that their model server gave (Mistral's have nine characters,
Kimi's look like `functions.name:0`), so each id is the same again when it comes back.
"""

import base64
import binascii
import re

_PREFIX = "toolu_"
_PACKED = "toolu_b64_"
# Anthropic's ids match this: an app may send the conversation there later.
_PLAIN = re.compile(r"(?!b64_)[A-Za-z0-9_-]+")


def to_app(call_id: str) -> str:
    """The id that an app gets for a tool call with this id.

    >>> to_app("call_1"), to_app("functions.f:0")
    ('toolu_call_1', 'toolu_b64_ZnVuY3Rpb25zLmY6MA')
    """
    if _PLAIN.fullmatch(call_id):
        return _PREFIX + call_id
    packed = base64.urlsafe_b64encode(call_id.encode(errors="replace"))
    return _PACKED + packed.decode().rstrip("=")


def to_vast(tool_use_id: str) -> str:
    """The id of a tool call that an app knows by this id. One that is not ours stays as it is."""
    if tool_use_id.startswith(_PACKED):
        packed = tool_use_id[len(_PACKED) :]
        try:
            padded = packed + "=" * (-len(packed) % 4)
            return base64.b64decode(padded, b"-_", validate=True).decode()
        except (binascii.Error, UnicodeError):
            return tool_use_id
    return tool_use_id.removeprefix(_PREFIX) or tool_use_id
