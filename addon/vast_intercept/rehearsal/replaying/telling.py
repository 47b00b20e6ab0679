"""Tells how far a rehearsal is: a progress bar on a terminal, else a line now and then."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from ...telemetry.report import Ending
from ..calls import RehearsedCall

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

# Seconds between two lines where there is no terminal.
_EVERY = 10.0


class Telling:
    """Shows on standard error how many of `total` calls have ended; `made` of them had before."""

    def __init__(self, total: int, made: int, label: str) -> None:
        self._total = total
        self._ended = made
        self._not_served = 0
        self._told = time.monotonic()
        self._bar: ProgressBar[int] | None = None
        self._shown: AbstractContextManager[object] = nullcontext()
        if sys.stderr.isatty():
            self._bar = click.progressbar(length=total, label=label, file=sys.stderr, show_pos=True)
            self._shown = self._bar

    def __enter__(self) -> Self:
        self._shown.__enter__()
        if self._bar:
            self._bar.update(self._ended)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._shown.__exit__(kind, error, traceback)

    def ended(self, call: RehearsedCall) -> None:
        """Counts a call that has ended."""
        self._ended += 1
        self._not_served += call.report.outcome is not Ending.OK
        if self._bar:
            self._bar.update(1)
            return
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            self.say(
                f"{self._ended:,} of {self._total:,} calls, {self._not_served:,} of them not served"
            )

    def left_out(self, count: int) -> None:
        """Counts calls that are not to be made."""
        self._ended += count
        if self._bar:
            self._bar.update(count)

    def say(self, text: str) -> None:
        """Says something besides."""
        click.echo(f"\n{text}" if self._bar else text, err=True)
