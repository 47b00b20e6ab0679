"""Entries of a report, kept in a temporary file, so that memory does not grow with their texts."""

import json
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from ..comparison.totals import Totals
from .report import Entry
from .shown import line_of, numbers_of, paces_of, texts_of
from .speed import Speed

_FAST = 1


class Shown(NamedTuple):
    """An entry as it is shown, each part in JSON of ASCII characters only."""

    line: bytes
    numbers: bytes
    texts: bytes


class _Place(NamedTuple):
    """Where an entry is in the file. Places sort as their entries do: the worst first."""

    badness: float
    number: int
    offset: int
    length: int


class Collected:
    """What a report shows of its calls. Counts while it collects, and gives back the worst first.

    Use it as a context manager. Its file has no name and is removed with it. `folder` is where the
    file lies: it may become as large as the report.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.totals = Totals()
        self.speed = Speed()
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by __exit__)
        self._places: list[_Place] = []
        self._sorted = True
        self._end = 0
        self._differing = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def differing(self) -> int:
        """How many calls have a measure that fails in any run."""
        return self._differing

    def add(self, entry: Entry) -> None:
        """Counts an entry and keeps what is shown of it."""
        for run in entry.runs:
            self.totals.add(run.comparison)
            self.speed.add_wait(run.rehearsed.report.waited)
        self.speed.add(*paces_of(entry))
        self._differing += any(
            not check.holds for run in entry.runs for check in run.comparison.checks.values()
        )
        shown = (_encoded(make(entry)) for make in (line_of, numbers_of, texts_of))
        data = zlib.compress(b"\n".join(shown), _FAST)
        self._file.seek(self._end)
        self._file.write(data)
        place = _Place(-entry.severity, len(self._places), self._end, len(data))
        self._places.append(place)
        self._end += len(data)
        self._sorted = False

    def worst_first(self) -> Iterator[Shown]:
        """All entries, the worst first; those that are as bad as each other as they were added."""
        if not self._sorted:
            self._places.sort()
            self._sorted = True
        for place in self._places:
            self._file.seek(place.offset)
            line, numbers, texts = zlib.decompress(self._file.read(place.length)).split(b"\n")
            yield Shown(line, numbers, texts)


def _encoded(value: Any) -> bytes:
    """JSON in ASCII, so that a lone surrogate passes as it is; on one line."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
