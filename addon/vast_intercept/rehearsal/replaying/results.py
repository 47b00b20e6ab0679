"""What came of each call of a rehearsal, kept in an SQLite file as it ends."""

import contextlib
import os
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

# "vast" in ASCII, where SQLite keeps whose a file is
# (https://www.sqlite.org/pragma.html#pragma_application_id).
_APPLICATION = 0x76617374
_VERSION = 1

_SCHEMA = """
create table results (
    settings text not null, digest text not null, occurrence integer not null, run integer not null,
    report blob not null, status integer, content_type text, body blob, whole integer,
    time_to_first_token real, duration real,
    primary key (settings, digest, occurrence, run)
);
create table spans (
    id integer primary key, settings text not null, began real not null, ended real not null,
    concurrency integer not null
);
create table notes (
    settings text not null, name text not null, note blob not null, primary key (settings, name)
);
"""


class ResultsError(Exception):
    """The results cannot be read or kept. The message is for a person."""


class UnusableResultsError(ResultsError):
    """The file is broken, or another version's: it may be replaced."""


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
        self._database = _open(path)

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
        return int(self._ask("select count(*) from results where settings = ?")[0])

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
        report, status, content_type, body, whole, first_token, duration = row
        answer = None
        if status is not None:
            answer = Answer(
                status=status,
                content_type=content_type,
                body=body,
                whole=bool(whole),
                time_to_first_token=first_token,
                duration=duration,
            )
        try:
            return RehearsedCall(answer=answer, report=msgspec.json.decode(report, type=CallReport))
        except msgspec.MsgspecError as error:
            raise _broken(self.path, str(error)) from None

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
            return bytes(found[0]) if found else None

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
        return int(self._ask(query, Ending.BROKEN_OFF)[0])

    @property
    def began(self) -> float:
        """When the first call was made, Unix time; 0 if none was."""
        return float(self._ask("select min(began) from spans where settings = ?")[0] or 0)

    @property
    def ended(self) -> float:
        """When the last call had ended, Unix time; 0 if none was made."""
        return float(self._ask("select max(ended) from spans where settings = ?")[0] or 0)

    @property
    def busy_seconds(self) -> float:
        """Seconds in which calls were made, without the pauses between interrupted rehearsals."""
        total = "select sum(ended - began) from spans where settings = ?"
        return float(self._ask(total)[0] or 0)

    @property
    def concurrency(self) -> int:
        """The most calls that were made at a time; 0 if none was made."""
        return int(self._ask("select max(concurrency) from spans where settings = ?")[0] or 0)

    def _find(self, columns: str, key: CallKey) -> tuple[Any, ...] | None:
        with self._reading():
            return self._database.execute(  # type: ignore[no-any-return]
                f"select {columns} from results where settings = ? and digest = ?"  # noqa: S608
                " and occurrence = ? and run = ?",
                (self._settings, *key),
            ).fetchone()

    def _ask(self, query: str, *more: str) -> tuple[float, ...]:
        with self._reading():
            row: tuple[float, ...] = self._database.execute(
                query, (self._settings, *more)
            ).fetchone()
            return row

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _broken(self.path, str(error)) from None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._database:
                yield
        except sqlite3.Error as error:
            raise ResultsError(f"{self.path} cannot be written: {error}.") from None


def _open(path: Path) -> sqlite3.Connection:
    """The database, which no other process has then. Raises ResultsError."""
    try:
        # Made here, so that nobody else can read it at any time.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ResultsError(
            f"{path} cannot be written: {error.strerror}. The results of a rehearsal are kept"
            " beside the recording: copy that into a folder of yours, and rehearse the copy."
        ) from None
    database = sqlite3.connect(path, timeout=0, check_same_thread=False)
    try:
        # In this mode, SQLite keeps the lock that it takes for the first write until the file is
        # closed or the process is gone (https://www.sqlite.org/pragma.html#pragma_locking_mode).
        database.execute("pragma locking_mode = exclusive")
        _prepare(database, path)
        with contextlib.suppress(OSError):  # a copy may have another mode, or another owner
            path.chmod(0o600)
        database.execute("pragma journal_mode = wal")
        # A result outlives this process, however it ends; the last ones may not outlive the system.
        database.execute("pragma synchronous = normal")
    except sqlite3.Error as error:
        database.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise ResultsError(
                f"{path} is in use: another rehearsal of this recording runs. Wait until it has"
                " ended, or rehearse a copy of the recording."
            ) from None
        if error.sqlite_errorcode in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            raise _broken(path, str(error)) from None
        raise ResultsError(f"{path} cannot be used: {error}.") from None
    except ResultsError:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute("begin exclusive")
    application = database.execute("pragma application_id").fetchone()[0]
    version = database.execute("pragma user_version").fetchone()[0]
    if not database.execute("select count(*) from sqlite_schema").fetchone()[0]:
        for statement in filter(None, map(str.strip, _SCHEMA.split(";"))):
            database.execute(statement)
        database.execute(f"pragma application_id = {_APPLICATION}")
        database.execute(f"pragma user_version = {_VERSION}")
    elif application != _APPLICATION:
        raise ResultsError(
            f"{path} is another program's file: rehearse a copy of the recording with another name."
        )
    elif version != _VERSION:
        raise UnusableResultsError(
            f"{path} has results of another version of vast-intercept. With --fresh they are"
            " forgotten, and all calls are made anew."
        )
    database.execute("commit")


def _broken(path: Path, why: str) -> ResultsError:
    return UnusableResultsError(
        f"{path} is broken: {why}. With --fresh it is replaced, and all calls are made anew."
    )


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
