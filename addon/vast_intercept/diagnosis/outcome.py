"""What a step finds: that all is well, what is wrong and what to do, or that it is not for it."""

from dataclasses import dataclass
from typing import Literal

type Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """All is well. `advice` is for what is well enough, but worth knowing."""

    message: str
    details: tuple[str, ...] = ()
    advice: str = ""


class Problem(Exception):  # noqa: N818  (a result, not a failure of the check)
    """Something is wrong: what and where, and what to do about it."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class NotApplicable(Exception):  # noqa: N818  (nor is this)
    """There is nothing to look at here. The message says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a step went."""

    name: str
    status: Status
    milliseconds: int
    message: str
    details: tuple[str, ...] = ()
    advice: str = ""
