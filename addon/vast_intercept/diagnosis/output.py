"""Shows results: as lines for people, as JSON for machines."""

import json
from collections.abc import Iterable
from dataclasses import asdict

import click

from .findings import Result, StepStatus

_MARKS: dict[StepStatus, str] = {"passed": "✓", "failed": "✗", "skipped": "–"}  # noqa: RUF001
_PLAIN_MARKS: dict[StepStatus, str] = {"passed": "ok", "failed": "FAIL", "skipped": "-"}
_COLORS: dict[StepStatus, str] = {"passed": "green", "failed": "red", "skipped": "yellow"}
_NAME_WIDTH = len("streamed call")


class TextOutput:
    """Writes results as lines for an output of this encoding."""

    def __init__(self, encoding: str | None, *, color: bool) -> None:
        plain = not _can_show("".join(_MARKS.values()) + "→", encoding)
        self._marks = _PLAIN_MARKS if plain else _MARKS
        self._color = color
        self._arrow = "->" if plain else "→"
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
    names: dict[StepStatus, list[str]] = {"passed": [], "failed": [], "skipped": []}
    for result in results:
        names[result.status].append(result.name.replace("_", " "))
    if names["failed"]:
        return f"Failed: {', '.join(names['failed'])}."
    if names["skipped"]:
        return f"All is well, but for what was not looked at: {', '.join(names['skipped'])}."
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


def _can_show(text: str, encoding: str | None) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
