"""Checks JSON against the schemas of apps, which may be anything.

`jsonschema-rs` does it in microseconds. No schema is fetched: a reference to another document is an
error. Its regular expressions take a bounded number of steps, and so does all of it, by what is
counted here before.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from .schema_size import SchemaSize

# Bytes of a schema, and its parts with all references in place. OpenAI's structured outputs have
# no more than 5,000 properties.
_LARGEST = 512 * 1024
_MOST_PARTS = 50_000
# Parts times values of an answer: so much is checked at most, each in some ten nanoseconds. Saying
# what is wrong takes a thousand times as long, as it goes through all alternatives again.
_MOST_STEPS = 20_000_000
# Regular expressions of a schema, and how many steps one takes that may have to step back.
_MOST_PATTERNS = 100
_STEPS_OF_A_PATTERN = 10_000
_MOST_EXPLAINED = 20_000
# Steps back that a regular expression may take, and bytes of its compiled form.
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=2_000, size_limit=256 * 1024)
_KEPT = 64  # schemas; an app has a few, which come again with each call
_LONGEST = 300  # characters of what is wrong


class SchemaError(Exception):
    """A schema is none, or cannot be checked. The message says why, for a person to read."""


@dataclass(frozen=True, slots=True)
class _Schema:
    validator: jsonschema_rs.Validator
    size: SchemaSize

    def steps(self, text: str, values: int) -> int:
        """How many steps a check of such a text takes at most, about."""
        size = self.size
        stepping_back = _STEPS_OF_A_PATTERN * size.stepping_back * values
        return size.parts * values + size.states * len(text) // 2 + stepping_back


def why_invalid(schema: Any, value: Any, text: str) -> str:
    """What of a JSON value does not fulfil the schema; empty if it is valid.

    `text` is what the value was read from. Raises SchemaError if the schema is none, or would take
    too long.
    """
    made = _schema_of(schema)
    values = 1 + text.count(",") + text.count("{") + text.count("[")
    steps = made.steps(text, values)
    if steps > _MOST_STEPS:
        raise SchemaError(f"The schema is too complex for an answer of {values:,} values.")
    try:
        if made.validator.is_valid(value):
            return ""
        explained = steps <= _MOST_EXPLAINED and not made.size.is_recursive
        error = next(made.validator.iter_errors(value), None) if explained else None
    except (ValueError, OverflowError) as failure:
        raise SchemaError(f"The answer cannot be checked: {_cut(str(failure))}") from None
    return _worded(error) if error else "It does not fulfil its schema."


def _worded(error: jsonschema_rs.ValidationError) -> str:
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path
    )
    return _cut(f"{place.lstrip('.')}: {error.message}" if place else error.message)


def _cut(text: str) -> str:
    text = text.partition("\n")[0]
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _schema_of(schema: Any) -> _Schema:
    try:
        text = msgspec.json.encode(schema, order="sorted")
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        raise SchemaError("The schema is nested too deeply, or is not Unicode.") from None
    if len(text) > _LARGEST:
        raise SchemaError(f"The schema is too large: {len(text):,} bytes.")
    made = _made(text)
    if isinstance(made, str):
        raise SchemaError(made)
    return made


@lru_cache(_KEPT)
def _made(text: bytes) -> _Schema | str:
    """The schema, ready to check with, or what is wrong with it."""
    schema = msgspec.json.decode(text)
    try:
        size = SchemaSize(schema)
        if size.parts > _MOST_PARTS:
            return "The schema is too complex: its references make it too large."
        if len(size.patterns) > _MOST_PATTERNS:
            return f"The schema is too complex: it has {len(size.patterns):,} patterns."
        validator = jsonschema_rs.validator_for(
            schema, retriever=_retrieve, pattern_options=_PATTERNS, validate_formats=False
        )
    except RecursionError:
        return "The schema is nested too deeply."
    except (ValueError, OverflowError) as error:
        return f"The schema is not usable: {_cut(str(error))}"
    return _Schema(validator, size)


def _retrieve(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched")
