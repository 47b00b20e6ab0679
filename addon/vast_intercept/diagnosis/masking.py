"""Keys out of everything that is shown, whoever has repeated them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..secret import Secret, is_sendable
from .outcome import Result
from .subject import Subject

# What is shorter is no key, and would be masked in the middle of words.
_SHORTEST = 8


def masked(results: Iterable[Result], subject: Subject) -> Iterator[Result]:
    """The results, as they come, without the keys of Vast and of the app."""
    for result in results:
        keys = _keys(subject)
        yield replace(
            result,
            message=_mask(result.message, keys),
            details=tuple(_mask(detail, keys) for detail in result.details),
            advice=_mask(result.advice, keys),
        )


def _keys(subject: Subject) -> list[Secret]:
    found = [subject.environ.get(name, "").strip() for name in ("VAST_API_KEY", "OPENAI_API_KEY")]
    keys = [Secret(key) for key in found if len(key) >= _SHORTEST and is_sendable(key)]
    if subject.config_is_valid and subject.config.api_key:
        keys.append(subject.config.api_key)
    return keys


def _mask(text: str, keys: Iterable[Secret]) -> str:
    for key in keys:
        text = key.redact(text)
    return text
