"""Shows results without keys: as lines for people, as JSON for machines."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import reduce

import click

from ..secret import Secret, is_sendable
from .findings import Result, StepStatus
from .subject import Subject

_MARKS: dict[StepStatus, str] = {"passed": "✓", "failed": "✗", "skipped": "–"}  # noqa: RUF001
_PLAIN_MARKS: dict[StepStatus, str] = {"passed": "ok", "failed": "FAIL", "skipped": "-"}
_COLORS: dict[StepStatus, str] = {"passed": "green", "failed": "red", "skipped": "yellow"}
_KEY_VARIABLES = ("VAST_API_KEY", "OPENAI_API_KEY")
_NAME_WIDTH = len("transcription call")
# Characters. Shorter values are no keys. They would be taken out of the middle of words.
_SHORTEST_KEY = 8


def redacted(results: Iterable[Result], subject: Subject) -> Iterator[Result]:
    """The results, as they come, without the keys of Vast, of machines and of the app."""
    for result in results:
        found = (subject.environ.get(name, "").strip() for name in _KEY_VARIABLES)
        keys = [Secret(key) for key in found if len(key) >= _SHORTEST_KEY and is_sendable(key)]
        if subject.config_is_valid and subject.config.api_key:
            keys.append(subject.config.api_key)
        if subject.config_is_valid:
            keys += [each.api_key for each in subject.config.machines.values() if each.api_key]
        yield replace(
            result,
            message=_redact(result.message, keys),
            details=tuple(_redact(detail, keys) for detail in result.details),
            advice=_redact(result.advice, keys),
        )


def _redact(text: str, keys: list[Secret]) -> str:
    return reduce(lambda shown, key: key.redact(shown), keys, text)


class TextOutput:
    """Writes results as lines for an output of this encoding."""

    def __init__(self, encoding: str | None, *, color: bool) -> None:
        self._marks, self._arrow = _MARKS, "→"
        try:
            "".join((*_MARKS.values(), self._arrow)).encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            self._marks, self._arrow = _PLAIN_MARKS, "->"
        self._color = color
        self._mark_width = max(map(len, self._marks.values()))

    def lines(self, result: Result) -> str:
        """A result's line, and below it the details and the advice."""
        mark = self._marks[result.status].ljust(self._mark_width)
        if self._color:
            mark = click.style(mark, fg=_COLORS[result.status])
        name = result.name.replace("_", " ").ljust(_NAME_WIDTH)
        time = f"{result.milliseconds:>6} ms" if result.status != "skipped" else " " * 9
        lines = [f"{mark} {name} {time}  {_printable(result.message)}"]
        indent = " " * (self._mark_width + 1 + _NAME_WIDTH + 1 + 9 + 2)
        lines += [indent + _printable(detail) for detail in result.details]
        if result.advice:
            first, *rest = map(_printable, result.advice.splitlines())
            lines.append(f"{indent}{self._arrow} {first}")
            lines += [f"{indent}{' ' * len(self._arrow)} {line}" for line in rest]
        return "\n".join(lines)


def summary(results: Iterable[Result]) -> str:
    """The last line, which names the steps that failed or were skipped."""
    listed = [(result.status, result.name.replace("_", " ")) for result in results]
    if failed := ", ".join(name for status, name in listed if status == "failed"):
        return f"Failed: {failed}."
    if skipped := ", ".join(name for status, name in listed if status == "skipped"):
        return f"All is well, but for what was not looked at: {skipped}."
    return "All is well."


def to_json(results: Iterable[Result]) -> str:
    """All results as one JSON object."""
    listed = list(results)
    return json.dumps({"ok": is_ok(listed), "steps": [asdict(result) for result in listed]})


def is_ok(results: Iterable[Result]) -> bool:
    """Whether nothing failed."""
    return all(result.status != "failed" for result in results)


def _printable(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)
