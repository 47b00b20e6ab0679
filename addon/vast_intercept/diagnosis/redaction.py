"""Takes keys out of everything that is shown."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..secret import Secret, is_sendable
from .findings import Result
from .subject import Subject

# Shorter values are no keys. They would be taken out of the middle of words.
_SHORTEST = 8


def redacted(results: Iterable[Result], subject: Subject) -> Iterator[Result]:
    """The results, as they come, without the keys of Vast and of the app."""
    for result in results:
        keys = _keys(subject)
        yield replace(
            result,
            message=_redact(result.message, keys),
            details=tuple(_redact(detail, keys) for detail in result.details),
            advice=_redact(result.advice, keys),
        )


def _keys(subject: Subject) -> list[Secret]:
    found = [subject.environ.get(name, "").strip() for name in ("VAST_API_KEY", "OPENAI_API_KEY")]
    keys = [Secret(key) for key in found if len(key) >= _SHORTEST and is_sendable(key)]
    if subject.config_is_valid and subject.config.api_key:
        keys.append(subject.config.api_key)
    return keys


def _redact(text: str, keys: Iterable[Secret]) -> str:
    for key in keys:
        text = key.redact(text)
    return text
