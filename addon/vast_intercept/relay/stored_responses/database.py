"""The SQLite database of a store. It blocks, and belongs to one thread."""

import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...bridges.bridge import Record
from .bounds import Bounds, LostTurnError, StoreFailedError
from .kept import keep, owners_digest

# "vast" in ASCII: what tells our files from other programs' (https://sqlite.org/pragma.html).
_APPLICATION_ID = 0x76617374
_VERSION = 1
# How long another process may hold the file, in seconds.
_PATIENCE = 5.0

_SCHEMA = (
    "CREATE TABLE settings (salt BLOB NOT NULL)",
    # The texts come last, so that SQLite reads the rest without them.
    """CREATE TABLE responses (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        owner BLOB NOT NULL,
        id TEXT NOT NULL,
        previous TEXT,
        kept_at REAL NOT NULL,
        size INTEGER NOT NULL,
        number_of_items INTEGER NOT NULL,
        output_start INTEGER NOT NULL,
        output_size INTEGER NOT NULL,
        items BLOB NOT NULL,
        response BLOB NOT NULL,
        UNIQUE (owner, id)
    )""",
    "CREATE INDEX sizes ON responses (size)",
    """CREATE TABLE items (
        owner BLOB NOT NULL,
        id TEXT NOT NULL,
        number INTEGER NOT NULL REFERENCES responses ON DELETE CASCADE,
        in_response INTEGER NOT NULL,
        start INTEGER NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (owner, id, number)
    ) WITHOUT ROWID""",
    "CREATE INDEX items_of_responses ON items (number)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)

# The conversation's turns, from the last one back to the first one that is there.
_TURNS = """
    WITH RECURSIVE turns (depth, number, previous) AS (
        SELECT 0, number, previous FROM responses
            WHERE owner = :owner AND id = :id AND kept_at > :too_old
        UNION ALL
        SELECT depth + 1, responses.number, responses.previous FROM turns
            JOIN responses ON responses.owner = :owner AND responses.id = turns.previous
            WHERE kept_at > :too_old AND depth < :most
    )
"""
_EXTENT = f"""{_TURNS}
    SELECT turns.previous, number_of_items, length(items) + output_size
    FROM turns JOIN responses USING (number) ORDER BY depth
"""  # noqa: S608  (constants)
_TEXTS = f"""{_TURNS}
    SELECT items, substr(response, output_start + 1, output_size)
    FROM turns JOIN responses USING (number) ORDER BY depth DESC
"""  # noqa: S608


class Database:
    """The open database. Raises sqlite3.Error, OSError or StoreFailedError where it fails."""

    def __init__(self, path: Path, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._bounds = bounds
        self._clock = clock
        _make_private(path)
        self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        try:
            self._prepare(path)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: Path) -> None:
        run = self._connection.execute
        # In this order: another process may just be making the tables, and all at once.
        tables, application, version = (
            run(question).fetchone()[0]
            for question in (
                "SELECT count(*) FROM sqlite_schema",
                "PRAGMA application_id",
                "PRAGMA user_version",
            )
        )
        if tables and application != _APPLICATION_ID:
            raise StoreFailedError(f"{path} is another program's database")
        if version > _VERSION:
            raise StoreFailedError(f"{path} was made by a newer version of this program")
        _patiently(lambda: run("PRAGMA journal_mode = WAL"))
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA foreign_keys = ON")
        run("PRAGMA secure_delete = ON")  # what is deleted is not left in the file
        run("PRAGMA journal_size_limit = 8388608")
        if not version:
            self._make_tables()
        (self._salt,) = run("SELECT salt FROM settings").fetchone()

    def _make_tables(self) -> None:
        run = self._connection.execute
        with self._changing():
            if run("PRAGMA user_version").fetchone()[0]:
                return  # another process was first
            for statement in _SCHEMA:
                run(statement)
            run("INSERT INTO settings VALUES (?)", (secrets.token_bytes(32),))

    def close(self) -> None:
        """Closes the database."""
        self._connection.close()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """A transaction that no other process writes in."""
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:  # commits, or rolls back
            yield

    def put(self, owner: str, record: Record) -> None:
        """Keeps a response, in place of one with the same id."""
        kept, digest, run = keep(record), self._digest(owner), self._connection.execute
        with self._changing():
            run("DELETE FROM responses WHERE owner = ? AND id = ?", (digest, record.id))
            if kept.size > self._bounds.bytes:
                return
            inserted = run(
                "INSERT INTO responses VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(digest, record.id, record.previous, self._clock(), kept.size),
                    *(kept.number_of_items, kept.output.start),
                    *(kept.output.stop - kept.output.start, record.items, record.response),
                ),
            )
            self._connection.executemany(
                "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (
                        *(digest, id_, inserted.lastrowid),
                        *(place.in_response, place.start, place.end - place.start),
                    )
                    for id_, place in kept.places.items()
                ),
            )
            self._drop_surplus()

    def _drop_surplus(self) -> None:
        """Deletes the oldest responses until the rest is within the bounds."""
        run = self._connection.execute
        number, size = run("SELECT count(*), total(size) FROM responses").fetchone()
        while number:
            row, its_size, kept_at = run(
                "SELECT number, size, kept_at FROM responses ORDER BY number LIMIT 1"
            ).fetchone()
            too_many = number > self._bounds.number or size > self._bounds.bytes
            if not too_many and kept_at > self._too_old():
                break
            run("DELETE FROM responses WHERE number = ?", (row,))
            number, size = number - 1, size - its_size

    def get(self, owner: str, id_: str) -> Record | None:
        """The response with this id, or None."""
        row = self._connection.execute(
            "SELECT id, previous, items, response FROM responses"
            " WHERE owner = ? AND id = ? AND kept_at > ?",
            (self._digest(owner), id_, self._too_old()),
        ).fetchone()
        return Record(*row) if row else None

    def history(self, owner: str, id_: str) -> list[bytes]:
        """The conversation up to this response: input and output of each turn."""
        asked = {
            "owner": self._digest(owner),
            "id": id_,
            "too_old": self._too_old(),
            "most": self._bounds.number,
        }
        with self._reading():
            rows = self._connection.execute(_EXTENT, asked).fetchall()
            if not rows:
                return []
            self._bounds.check_history(
                len(rows), size=sum(row[2] for row in rows), items=sum(row[1] for row in rows)
            )
            if (lost := rows[-1][0]) is not None:
                raise LostTurnError(lost)
            turns = self._connection.execute(_TEXTS, asked).fetchall()
        return [items for turn in turns for items in turn]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Sees one state of the database, whatever others write meanwhile."""
        self._connection.execute("BEGIN")
        with self._connection:
            yield

    def items(self, owner: str, ids: tuple[str, ...]) -> dict[str, bytes]:
        """Those of the items that are in a response, as JSON."""
        found, size = {}, 0
        digest, too_old = self._digest(owner), self._too_old()
        for id_ in ids:
            row = self._connection.execute(
                "SELECT substr(iif(in_response, response, responses.items), start + 1, items.size)"
                " FROM items JOIN responses USING (number)"
                " WHERE items.owner = ? AND items.id = ? AND kept_at > ?"
                " ORDER BY number DESC LIMIT 1",  # the latest of those that have it
                (digest, id_, too_old),
            ).fetchone()
            if row:
                found[id_] = row[0]
                size += len(row[0])
                self._bounds.check_history(1, size, len(found))
        return found

    def delete(self, owner: str, id_: str) -> bool:
        """Deletes a response. False if there is none."""
        with self._changing():
            deleted = self._connection.execute(
                "DELETE FROM responses WHERE owner = ? AND id = ? AND kept_at > ?",
                (self._digest(owner), id_, self._too_old()),
            )
        return deleted.rowcount > 0

    def _digest(self, owner: str) -> bytes:
        return owners_digest(self._salt, owner)

    def _too_old(self) -> float:
        return self._clock() - self._bounds.seconds


def _make_private(path: Path) -> None:
    """Makes the file if it is not there, and keeps others from reading it.

    SQLite's own files beside it get the same mode (https://sqlite.org/tempfiles.html).
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        with suppress(PermissionError):
            path.chmod(0o600)


def _patiently(change: Callable[[], object]) -> None:
    """Makes a change again and again while another process has the file locked.

    SQLite's own timeout does not do for the journal mode: it is not used where "invoking the busy
    handler could result in a deadlock" (https://sqlite.org/c3ref/busy_handler.html). A reader that
    becomes a writer is such a case, and fails at once if another process is writing.
    """
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            change()
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
