"""What came of each call of a rehearsal, kept in an SQLite file as it ends."""

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from ...telemetry.report import CallReport, Ending
from ..calls import Answer, RecordedCall, RehearsedCall
from .results_file import ResultsError, UnusableResultsError, broken, open_results

__all__ = ["CallKey", "Results", "ResultsError", "UnusableResultsError", "remove_unusable"]

type _Row = tuple[
    bytes, int | None, str | None, bytes | None, int | None, float | None, float | None
]


class CallKey(NamedTuple):
    """Which call of a recording, and which run of it."""

    digest: str
    #: How many calls before it in the recording ask for the same.
    occurrence: int
    run: int


class Results:
    """The results of one recording. Those that other settings have led to are kept, but not shown.

    `settings` is a digest of what decides them. The file is for its owner alone, and for one
    process at a time. All methods raise ResultsError.
    """

    def __init__(self, path: Path, settings: str) -> None:
        self.path = path
        self._settings = settings
        self._span: int | None = None
        self._database = open_results(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. Calling it again has no effect."""
        with contextlib.suppress(sqlite3.Error):
            self._database.close()

    def __len__(self) -> int:
        return int(self._ask("select count(*) from results where settings = ?"))

    def has(self, key: CallKey) -> bool:
        """Whether the call was made, with these settings."""
        return self._find("1", key) is not None

    def get(self, key: CallKey) -> RehearsedCall | None:
        """What came of the call; None if it was not made."""
        row = self._find(
            "report, status, content_type, body, whole, time_to_first_token, duration", key
        )
        if row is None:
            return None
        try:
            # SQLite keeps values of any type in any column.
            (report, status, content_type, body, whole, first_token, duration) = msgspec.convert(
                row, _Row, builtin_types=(bytes,)
            )
            kept = msgspec.json.decode(report, type=CallReport)
        except msgspec.MsgspecError as error:
            raise broken(self.path, str(error)) from None
        answer = None
        if status is not None:
            answer = Answer(
                status=status,
                content_type=content_type or "",
                body=body or b"",
                whole=bool(whole),
                time_to_first_token=first_token,
                duration=duration,
            )
        return RehearsedCall(answer=answer, report=kept)

    def beside(self, name: str) -> Self:
        """Results of other calls, in the same file; `name` tells them from all others."""
        other = copy(self)
        other._settings = f"{self._settings} {name}"  # noqa: SLF001  (one of ours)
        return other

    def begin(self, concurrency: int) -> None:
        """Notes that calls are made from now on, at most so many at a time."""
        now = time.time()
        with self._writing():
            self._span = self._database.execute(
                "insert into spans (settings, began, ended, concurrency) values (?, ?, ?, ?)",
                (self._settings, now, now, concurrency),
            ).lastrowid

    def keep(self, key: CallKey, call: RehearsedCall) -> None:
        """Keeps what came of a call, before it returns. It replaces what was kept of it before."""
        answer = call.answer
        of_answer: tuple[Any, ...] = (None,) * 6
        if answer:
            of_answer = (
                answer.status,
                answer.content_type,
                answer.body,
                answer.whole,
                answer.time_to_first_token,
                answer.duration,
            )
        row = (self._settings, *key, msgspec.json.encode(call.report), *of_answer)
        with self._writing():
            self._database.execute(
                f"insert or replace into results values ({', '.join('?' * len(row))})",  # noqa: S608
                row,
            )
            self._database.execute(
                "update spans set ended = ? where id = ?", (time.time(), self._span)
            )

    def remember(self, name: str, note: bytes) -> None:
        """Keeps a note about these results. It replaces an earlier one of the same name."""
        with self._writing():
            self._database.execute(
                "insert or replace into notes values (?, ?, ?)", (self._settings, name, note)
            )

    def recall(self, name: str) -> bytes | None:
        """The note of that name, or None."""
        with self._reading():
            found = self._database.execute(
                "select note from notes where settings = ? and name = ?", (self._settings, name)
            ).fetchone()
        if found and not isinstance(found[0], bytes):
            raise broken(self.path, f"its note {name} cannot be read")
        return found[0] if found else None

    def forget(self) -> None:
        """Forgets all results, also those of other settings."""
        with self._writing():
            self._database.execute("delete from notes")
            self._database.execute("delete from results")
            self._database.execute("delete from spans")
        with self._reading():
            self._database.execute("vacuum")

    def failed_for_now(self) -> int:
        """How many calls had an error that may have passed since: no answer, 408, 429, 5xx."""
        query = (
            "select count(*) from results where settings = ? and (status is null or status >= 500"
            " or status in (408, 429) or json_extract(cast(report as text), '$.outcome') = ?)"
        )
        return int(self._ask(query, Ending.BROKEN_OFF))

    @property
    def began(self) -> float:
        """When the first call was made, Unix time; 0 if none was."""
        return float(self._ask("select min(began) from spans where settings = ?"))

    @property
    def ended(self) -> float:
        """When the last call had ended, Unix time; 0 if none was made."""
        return float(self._ask("select max(ended) from spans where settings = ?"))

    @property
    def busy_seconds(self) -> float:
        """Seconds in which calls were made, without the pauses between interrupted rehearsals."""
        total = "select sum(ended - began) from spans where settings = ?"
        return float(self._ask(total))

    @property
    def concurrency(self) -> int:
        """The most calls that were made at a time; 0 if none was made."""
        return int(self._ask("select max(concurrency) from spans where settings = ?"))

    def _find(self, columns: str, key: CallKey) -> tuple[Any, ...] | None:
        with self._reading():
            return self._database.execute(  # type: ignore[no-any-return]
                f"select {columns} from results where settings = ? and digest = ?"  # noqa: S608
                " and occurrence = ? and run = ?",
                (self._settings, *key),
            ).fetchone()

    def _ask(self, query: str, *more: str) -> float:
        """The number that the query asks for; 0 if there is none."""
        with self._reading():
            (found,) = self._database.execute(query, (self._settings, *more)).fetchone()
        if not isinstance(found, int | float | None):
            raise broken(self.path, "it has a text where a number belongs")
        return found or 0

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise broken(self.path, str(error)) from None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._database:
                yield
        except sqlite3.Error as error:
            raise ResultsError(f"{self.path} cannot be written: {error}.") from None


def remove_unusable(path: Path) -> None:
    """Removes results that are broken, or another version's. Raises ResultsError if it cannot.

    What is in use, or of another program, stays.
    """
    try:
        Results(path, "").close()
    except UnusableResultsError:
        try:
            for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
                each.unlink(missing_ok=True)
        except OSError as failed:
            raise ResultsError(f"{path} cannot be removed: {failed.strerror}.") from None


class Occurrences:
    """Tells calls apart that ask for the same: by their order in the recording."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def key_of(self, call: RecordedCall, run: int = 0) -> CallKey:
        """The key of the next call of the recording."""
        occurrence = self._seen[call.digest]
        self._seen[call.digest] += 1
        return CallKey(call.digest, occurrence, run)


def keyed(calls: Iterable[RecordedCall], run: int) -> Iterator[tuple[CallKey, RecordedCall]]:
    """The calls of a recording with their keys in a run."""
    occurrences = Occurrences()
    return ((occurrences.key_of(call, run), call) for call in calls)
