"""What a step finds: all is well, something is wrong, or there is nothing to look at."""

from dataclasses import dataclass
from typing import Literal

type StepStatus = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """All is well. `advice` is for what works, but is worth knowing."""

    message: str
    details: tuple[str, ...] = ()
    advice: str = ""


class Problem(Exception):  # noqa: N818  (a result, not a failure of the check)
    """Something is wrong. The message says what and where, `advice` what to do about it."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class NotApplicable(Exception):  # noqa: N818  (a result, not a failure of the check)
    """The step has nothing to look at. The message says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a step, as `check --json` shows it."""

    name: str
    status: StepStatus
    milliseconds: int
    message: str
    details: tuple[str, ...] = ()
    advice: str = ""


def one_line(text: str, limit: int = 200) -> str:
    """The first `limit` characters of what another program said, in one printable line."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:limit]
