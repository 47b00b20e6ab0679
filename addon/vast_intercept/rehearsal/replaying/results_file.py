"""The SQLite file in which results are kept: its tables, and that nobody else has made them.

Another's file may have anything under its names, such as a view that never ends.
"""

import contextlib
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

# "vast" in ASCII, where SQLite keeps whose a file is
# (https://www.sqlite.org/pragma.html#pragma_application_id).
_APPLICATION = 0x76617374
_VERSION = 1
# Bytes of a value. Bodies are below that; another's file may claim gigabytes.
_LONGEST = 64 * 1024 * 1024

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


def open_results(path: Path) -> sqlite3.Connection:
    """The database, which no other process has then. Raises ResultsError."""
    try:
        # Made here, so that nobody else can read it at any time.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        os.close(descriptor)
    except OSError as error:
        raise ResultsError(
            f"{path} cannot be written: {error.strerror}. The results of a rehearsal are kept"
            " beside the recording: copy that into a folder of yours, and rehearse the copy."
        ) from None
    if not is_file:
        raise ResultsError(f"{path} is not a file, and the results of a rehearsal are kept there.")
    database = sqlite3.connect(path, timeout=0, check_same_thread=False)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
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
            raise broken(path, str(error)) from None
        raise ResultsError(f"{path} cannot be used: {error}.") from None
    except ResultsError:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute("begin exclusive")
    application = database.execute("pragma application_id").fetchone()[0]
    version = database.execute("pragma user_version").fetchone()[0]
    found = _tables(database)
    if not found:
        _make_tables(database)
        database.execute(f"pragma application_id = {_APPLICATION}")
        database.execute(f"pragma user_version = {_VERSION}")
    elif application != _APPLICATION:
        raise ResultsError(
            f"{path} is another program's file: rehearse a copy of the recording with another name."
        )
    elif version != _VERSION:
        raise UnusableResultsError(
            f"{path} has results of another version of vast-intercept. With --fresh they are"
            " forgotten, and all calls are made again."
        )
    elif found != _own_tables():
        raise broken(path, "it has other tables")
    database.execute("commit")


def _make_tables(database: sqlite3.Connection) -> None:
    for statement in filter(None, map(str.strip, _SCHEMA.split(";"))):
        database.execute(statement)


def _tables(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """The tables as they were declared, and whatever else the file has, such as views."""
    found = "select type, name, sql from sqlite_schema order by name"
    return database.execute(found).fetchall()


def _own_tables() -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        _make_tables(database)
        return _tables(database)


def broken(path: Path, why: str) -> ResultsError:
    """The error for a file that was not written by this."""
    return UnusableResultsError(
        f"{path} is broken: {why}. With --fresh it is replaced, and all calls are made again."
    )
