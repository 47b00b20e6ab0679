"""Renames the roles of chat messages that a model's chat template does not know. Pure.

vLLM renders messages with the chat template of its model, and many templates refuse the role
`developer` (FACTS C26).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

import msgspec

from .error_codes import ErrorCode
from .errors import ApiError, bad_request
from .limits import MAX_RENAMED
from .members import NULL, RepeatedNameError, any_object, split_members
from .outline import Buffer

_NAMES_A_ROLE = re.compile(r"\broles?\b", re.IGNORECASE)
_DEVELOPER = re.compile(b'"developer"')

# JSON's white space, RFC 8259 section 2, and the comma between two messages.
_BETWEEN = re.compile(rb"[ \t\n\r,]*")
_ROLE = re.compile(rb'"role"[ \t\n\r]*:[ \t\n\r]*("[a-z]+")')

# An escaped lower-case letter, which no known program writes.
_ESCAPED_LETTER = re.compile(rb"\\u00[67]")

# Bytes of messages that may be split one by one: that takes long for each byte.
_MOST_WITH_CARE = 64 * 1024


class _Message(msgspec.Struct):
    role: msgspec.Raw = NULL


_messages = msgspec.json.Decoder(list[_Message])
_texts = msgspec.json.Decoder(list[msgspec.Raw])

type Renaming = tuple[slice, bytes]


def renamed(messages: Buffer, roles: Mapping[str, str]) -> Iterator[Renaming]:
    """Yields where in the text of a list of messages a role is renamed, and its new JSON text.

    `roles` maps old names to new ones. A message with two roles is left unchanged. So are more than
    64 KiB of messages if something else in them looks like a role. Raises ApiError (400) for more
    than `MAX_RENAMED` roles.
    """
    new_values = {f'"{name}"'.encode(): f'"{new}"'.encode() for name, new in roles.items()}
    chosen = [new_values.get(bytes(each.role)) for each in _messages.decode(messages)]
    count = len(chosen) - chosen.count(None)
    if not count:
        return
    if count > MAX_RENAMED:
        raise bad_request(
            f"The request body has {count:,} messages whose role is to be renamed; at most"
            f" {MAX_RENAMED:,} are.",
            ErrorCode.REQUEST_TOO_COMPLEX,
            "messages",
        )
    matches = (match for match in _ROLE.finditer(messages) if match[1] in new_values)
    found = list(islice(matches, count + 1))
    if len(found) == count and not _ESCAPED_LETTER.search(messages):
        # Quotes within texts are escaped, so each match is a member; one for each message.
        for match in found:
            yield slice(*match.span(1)), new_values[match[1]]
    elif len(messages) <= _MOST_WITH_CARE:
        yield from _renamed_one_by_one(messages, chosen)


def _renamed_one_by_one(messages: Buffer, chosen: list[bytes | None]) -> Iterator[Renaming]:
    position = messages.index(b"[") + 1
    for text, new_value in zip(_texts.decode(messages), chosen, strict=True):
        between = _BETWEEN.match(messages, position)
        assert between
        position = between.end()
        if new_value is not None and (place := _place_of_role(bytes(text))):
            yield slice(position + place.start, position + place.stop), new_value
        position += len(text)


def _place_of_role(message: bytes) -> slice | None:
    members = any_object.decode(message)
    try:
        spans = {name: value_at for name, _, value_at, _ in split_members(message, members)}
    except RepeatedNameError:
        return None
    return slice(spans["role"], spans["role"] + len(members["role"]))


def explain_refused_role(error: ApiError, sent: Iterable[Buffer | memoryview]) -> ApiError:
    """vLLM's error, with the remedy if a message with the role `developer` may be its cause.

    `sent` is the body that vLLM got, in pieces.
    """
    if not _NAMES_A_ROLE.search(error.message) or not any(map(_DEVELOPER.search, sent)):
        return error
    remedy = (
        " (The call has a message with the role 'developer', which the chat template of the"
        " model may not know. To send it as 'system', put `roles: {developer: system}` into"
        " the route of these calls, in the interceptor's configuration.)"
    )
    return replace(error, message=error.message + remedy)
