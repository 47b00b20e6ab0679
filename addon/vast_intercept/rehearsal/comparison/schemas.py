"""Checks JSON against the schemas of apps, which may be anything.

No schema is fetched: a reference to another document is an error. The library is `jsonschema-rs`:
it takes microseconds, and has no dependencies.
"""

from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

# Bytes of a schema. OpenAI's structured outputs take far less.
_LARGEST = 512 * 1024
# Steps back that a regular expression may take, and bytes of its compiled form.
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=1024 * 1024)
_KEPT = 64  # schemas; an app has a few, which come again with each call
_LONGEST = 300  # characters of what is wrong


class SchemaError(Exception):
    """A schema is none, or cannot be checked. The message says why, for a person to read."""


def why_invalid(schema: Any, value: Any) -> str:
    """What of a JSON value does not fulfil the schema; empty if it is valid.

    Raises SchemaError if the schema is none, or would take too long.
    """
    validator = _validator_of(schema)
    try:
        error = next(validator.iter_errors(value), None)
    except (ValueError, OverflowError) as failure:
        raise SchemaError(f"The answer cannot be checked: {_cut(str(failure))}") from None
    return _worded(error) if error else ""


def _worded(error: jsonschema_rs.ValidationError) -> str:
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path
    )
    return _cut(f"{place.lstrip('.')}: {error.message}" if place else error.message)


def _cut(text: str) -> str:
    text = text.partition("\n")[0]
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _validator_of(schema: Any) -> jsonschema_rs.Validator:
    try:
        text = msgspec.json.encode(schema, order="sorted")
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        raise SchemaError("The schema is nested too deeply.") from None
    if len(text) > _LARGEST:
        raise SchemaError(f"The schema is too large: {len(text):,} bytes.")
    made = _made(text)
    if isinstance(made, str):
        raise SchemaError(made)
    return made


@lru_cache(_KEPT)
def _made(text: bytes) -> jsonschema_rs.Validator | str:
    """The validator, or what is wrong with the schema."""
    try:
        return jsonschema_rs.validator_for(
            msgspec.json.decode(text),
            retriever=_retrieve,
            pattern_options=_PATTERNS,
            validate_formats=False,
        )
    except (ValueError, RecursionError) as error:
        return f"The schema is none: {_cut(str(error))}"


def _retrieve(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched")
