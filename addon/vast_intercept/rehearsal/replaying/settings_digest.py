"""What decides the results of a rehearsal besides its calls, as a digest. Pure."""

import hashlib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import msgspec

from ...config import Config
from ...secret import Secret

# What the result of a call does not depend on: who may call, what is shown, where keys are from.
# Of keys there must be nothing, not even whether they have changed.
_NOT_DECIDING = frozenset(
    {
        *("source", "sections", "warnings", "inspect", "allow_from", "client_keys", "models"),
        *("api_key", "api_key_problem", "key_file", "key_is_literal", "key_variables"),
        *("ca_file", "ca_only", "keepalive", "drain"),
    }
)
_OF_KEYS = frozenset(
    {"api_key", "api_key_problem", "key_variable", "key_file", "key_variables", "key_is_literal"}
)


def settings_digest(config: Config) -> str:
    """The same for configurations that treat calls alike: SHA-256, in hexadecimal digits.

    The endpoint that an option or the environment names is a part of the configuration.
    """
    names = [name for name in config.__struct_fields__ if name not in _NOT_DECIDING]
    deciding = {name: _without_keys(getattr(config, name)) for name in sorted(names)}
    text = msgspec.json.encode(deciding, enc_hook=_as_text, order="deterministic")
    return hashlib.sha256(text).hexdigest()


def _without_keys(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        names = [name for name in value.__struct_fields__ if name not in _OF_KEYS]
        return {name: _without_keys(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(name): _without_keys(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_keys(each) for each in value]
    return value


def _as_text(value: Any) -> str:
    assert not isinstance(value, Secret)
    assert isinstance(value, Path | IPv4Network | IPv6Network), type(value)
    return str(value)
