"""A call as a recording keeps it: all of its flow, with no key in it. Pure: a state in, bytes out.

What is done here takes long for a large body, so it is done in a thread. Each step of it has
Python's interpreter lock for some milliseconds at most: joining many bytes gives the lock up.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Config
from ..listed_operations.listed_call import done_at_once
from ..mitm.borrowed import encode
from ..mitm.flow_writing import bytes_of
from ..openai_api.content_coding import decode_content
from ..openai_api.errors import ApiError
from ..openai_api.limits import MAX_DECOMPRESSED
from ..openai_api.operations import Operation
from ..relay.memory import Share
from ..secret import KEY_SHAPED, Secret, Secrets, is_sendable

# What answers to these may hold: keys that the provider has just made.
_MAKE_KEYS = frozenset({Operation.ORGANIZATION, Operation.REALTIME})
_MADE_KEY = re.compile(rb"\b(?:sk-|ek_)[\w-]{16,}")

# Names of environment variables that hold keys, and how long a key is at least: a shorter value is
# a word that a prompt may have by chance.
_NAMES_A_KEY = re.compile(
    r"(?:key|token|secret|passw(?:or)?d|credentials?)(?:_?\d+)?$", re.IGNORECASE
)
_SHORTEST_VALUE = 12
_SHORTEST_KEY = 8


class NotRecordedError(Exception):
    """The call cannot be recorded. The message says which calls are left out for that reason."""


@dataclass(slots=True, kw_only=True)
class EndedCall:
    """A call that has ended, and is to be recorded."""

    #: mitmproxy's state of its flow, without the bodies.
    state: dict[str, Any]
    operation: str
    #: Bodies in pieces; None for one that is not there.
    request: Iterable[bytes] | None
    answer: Iterable[bytes] | None
    #: Whether all of the answer is there that came.
    whole: bool = True
    #: What must not be in the recording.
    keys: Secrets
    #: What its bodies take of the memory for all calls.
    share: Share


def configured_keys(config: Config) -> list[Secret]:
    """The keys of Vast and of machines, but for those that a text may have by chance."""
    machines = [machine.api_key for machine in config.machines.values()]
    keys = [key for key in (config.api_key, *machines) if key]
    return [key for key in keys if len(key.reveal()) >= _SHORTEST_KEY]


def keys_of_environment(environ: Mapping[str, str] = os.environ) -> list[Secret]:
    """What variables hold that are named as keys are, or that looks like a key.

    An app that is recorded has the same environment.
    """
    values = (value.strip() for name, value in environ.items() if _holds_a_key(name, value.strip()))
    return [Secret(value) for value in dict.fromkeys(values)]


def _holds_a_key(name: str, value: str) -> bool:
    if KEY_SHAPED.fullmatch(value):
        return True
    named = len(value) >= _SHORTEST_VALUE and is_sendable(value) and _NAMES_A_KEY.search(name)
    return bool(named) and not Path(value).exists()  # such as GOOGLE_APPLICATION_CREDENTIALS


def as_recorded(call: EndedCall) -> bytes:
    """The call in the format of flow files, with every key masked.

    Raises NotRecordedError for a body in which keys cannot be looked for, and for what other addons
    have noted in the flow, if no file can hold it.
    """
    state = _without_keys(call.state, call.keys)
    # An earlier version of the flow, before a person edited it here.
    state["backup"] = None
    broken_off = state["error"] is not None
    for name, pieces in (("request", call.request), ("response", call.answer)):
        if pieces is None:
            continue
        message = state[name]
        coding = _coding_of(message["headers"])
        body = _masked_body(b"".join(pieces), coding, call.keys)
        if body is None and not (broken_off and name == "response"):
            raise NotRecordedError("with a body that cannot be searched for keys")
        if body and name == "response" and call.operation in _MAKE_KEYS:
            body = _MADE_KEY.sub(b"***", body)
        message["content"] = body
    try:
        return bytes_of(state)
    except ValueError:
        raise NotRecordedError("with notes of an addon that no file can hold") from None


def _without_keys(value: Any, keys: Secrets) -> Any:
    """The same value with the keys masked in each text of it, whatever the texts are for."""
    match value:
        case bytes():
            return keys.redact_bytes(value)
        case str():
            # Lone surrogates, which mitmproxy has for bytes that are no UTF-8, fit into no file.
            return keys.redact_bytes(value.encode("utf-8", "replace")).decode()
        case list() | tuple():
            return [_without_keys(each, keys) for each in value]
        case dict():
            return {name: _without_keys(each, keys) for name, each in value.items()}
    return value


def _masked_body(body: bytes, coding: str, keys: Secrets) -> bytes | None:
    """The body with every key masked, in its coding. None if it cannot be decoded."""
    if coding in {"", "identity"}:
        return done_at_once(keys.redact_in_steps(body))
    if not body:
        return body
    try:
        decoded = bytes(done_at_once(decode_content(body, coding, MAX_DECOMPRESSED)))
        shown = done_at_once(keys.redact_in_steps(decoded))
        return body if shown == decoded else encode(shown, coding)
    except (ApiError, ValueError):
        return None


def _coding_of(fields: Iterable[tuple[bytes, bytes]]) -> str:
    codings = [value for name, value in fields if name.lower() == b"content-encoding"]
    return b",".join(codings).decode("latin-1").strip().lower()
