"""Keeps responses in an SQLite file, across restarts."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...bridges.bridge import Record
from .bounds import BOUNDS, Bounds, StoreFailedError
from .database import Database

logger = logging.getLogger(__name__)

# What passes: another process holds the file, or the disk is full (https://sqlite.org/rescode.html).
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})


class SqliteStore:
    """A store in a file, which several processes may have open. `clock` gives Unix time.

    The database has a thread of its own, so that a slow disk holds up nothing but the calls that
    wait for it.
    """

    def __init__(
        self, path: Path, bounds: Bounds = BOUNDS, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._bounds = bounds
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "stored responses")
        self._database: Database | None = None
        #: The failure that was logged, so that it is logged once.
        self._told = ""

    async def check(self) -> None:
        """Raises StoreFailedError if the file cannot be opened."""
        if self._database is None:
            await self._do(lambda database: None)

    async def put(self, owner: str, record: Record) -> None:
        """Keeps a response, in place of one with the same id."""
        await self._do(lambda database: database.put(owner, record))

    async def get(self, owner: str, id_: str) -> Record | None:
        """The response with this id, or None."""
        return await self._do(lambda database: database.get(owner, id_))

    async def history(self, owner: str, id_: str) -> list[bytes]:
        """The conversation up to this response: input and output of each turn."""
        return await self._do(lambda database: database.history(owner, id_))

    async def items(self, owner: str, ids: tuple[str, ...]) -> dict[str, bytes]:
        """Those of the items that are in a response, as JSON."""
        return await self._do(lambda database: database.items(owner, ids))

    async def delete(self, owner: str, id_: str) -> bool:
        """Deletes a response. False if there is none."""
        return await self._do(lambda database: database.delete(owner, id_))

    async def close(self) -> None:
        """Closes the file. It is opened again if the store is used again."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(1, "stored responses")

    async def _do[T](self, work: Callable[[Database], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work[T](self, work: Callable[[Database], T]) -> T:
        """Does the work, in the database's thread."""
        try:
            if self._database is None:
                self._database = Database(self._path, self._bounds, self._clock)
            done = work(self._database)
        except (sqlite3.Error, OSError, StoreFailedError) as error:
            raise self._failed(error) from None
        if self._told:
            logger.warning("The responses in %s can be read and kept again.", self._path)
            self._told = ""
        return done

    def _failed(self, error: Exception) -> StoreFailedError:
        passing = getattr(error, "sqlite_errorcode", 0) in _PASSING
        if not passing:
            self._close()  # another file may take its place
        why = str(error) if isinstance(error, StoreFailedError) else _explain(error, self._path)
        if why != self._told:
            self._told = why
            logger.error(
                "Responses can be neither kept nor found: %s. Calls with `store: false` are served."
                " The file is responses.store in the configuration.",
                why,
            )
        return StoreFailedError(why, passing=passing)

    def _close(self) -> None:
        if self._database:
            self._database.close()
            self._database = None


def _explain(error: Exception, path: Path) -> str:
    if isinstance(error, OSError):
        return f"{path}: {error.strerror}"
    return f"{path}: {error}"
