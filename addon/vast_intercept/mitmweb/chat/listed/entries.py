"""What the views of all listed operations share: bounded lists, beginnings and tokens."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ..layout import compact, typed
from ..rendering import Circumstances

#: Entries of a list that are shown.
MOST_SHOWN = 200
_LARGEST = 1e15
_BEGINNING = 300  # characters of a text


def bounded(entries: Iterable[str], of: int) -> Iterator[str]:
    """The first entries, and how many more there are `of` them."""
    yield from islice(entries, MOST_SHOWN)
    if of > MOST_SHOWN:
        yield f"and {of - MOST_SHOWN:,} more"


def beginning_of(value: Any) -> str:
    """The beginning of a text, a document or a list of tokens."""
    fields = typed(value, dict)
    text = fields.get("text", fields.get("content")) if fields else value
    if isinstance(text, list) and text and all(type(each) is int for each in text[:100]):
        return f"{counted(len(text))}: {compact(text[:20])}"
    if not isinstance(text, str):
        return compact(value, _BEGINNING)
    return text if len(text) <= _BEGINNING else f"{text[:_BEGINNING]}…"


def at(values: Any, index: Any) -> Any:
    """The value at an index that an answer states; None if there is none."""
    there = isinstance(values, list) and type(index) is int and 0 <= index < len(values)
    return values[index] if there else None


def not_done(about: Circumstances) -> str:
    """What is said of an answer whose end is not there."""
    return "broken off: the answer has no end" if about.ended else "still being generated"


def tokens_of(usage: Any) -> str:
    """The tokens of an answer that has none of its own, as embeddings have not."""
    fields = typed(usage, dict)
    asked = _number(fields, "prompt_tokens", "input_tokens", "total_tokens")
    answered = _number(fields, "completion_tokens", "output_tokens")
    if asked is None:
        return f"usage {compact(usage)}" if fields else ""
    return f"{asked:,} + {answered:,} tokens" if answered else counted(asked)


def counted(tokens: int) -> str:
    """A number of tokens, as people write it."""
    return f"{tokens:,} token{'' if tokens == 1 else 's'}"


def number_of(value: Any) -> float | None:
    """A number that can be formatted, or None: JSON may hold one of thousands of digits."""
    believed = isinstance(value, int | float) and -_LARGEST < value < _LARGEST
    return value if believed else None


def _number(fields: dict[str, Any], *names: str) -> int | None:
    found = (fields.get(name) for name in names)
    return next((each for each in found if type(each) is int and 0 <= each < _LARGEST), None)
