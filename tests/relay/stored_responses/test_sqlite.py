"""The store in a file: who shares it, what is wrong with it, and what is told of that."""

import asyncio
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from vast_intercept.relay.stored_responses import database
from vast_intercept.relay.stored_responses.bounds import Bounds, StoreFailedError
from vast_intercept.relay.stored_responses.sqlite import SqliteStore

from .made import record

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept.sqlite"


def test_responses_survive_a_restart(file: Path) -> None:
    async def put() -> None:
        store = SqliteStore(file)
        await store.put("a", record("r1"))
        await store.close()

    async def get() -> None:
        store = SqliteStore(file)
        assert await store.get("a", "r1") == record("r1")
        assert await store.get("b", "r1") is None
        assert list(await store.items("a", ("msg_out_r1",))) == ["msg_out_r1"]
        await store.close()

    asyncio.run(put())
    asyncio.run(get())


@pytest.mark.parametrize("mode", [None, 0o644])
def test_nobody_else_can_read_the_file(file: Path, mode: int | None) -> None:
    if mode is not None:
        file.touch(mode)
    before = os.umask(0)
    try:

        async def test() -> None:
            store = SqliteStore(file)
            await store.put("a", record("r1"))
            for each in file.parent.iterdir():  # with SQLite's own files beside it
                assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
            assert len(list(file.parent.iterdir())) == 3
            await store.close()

        asyncio.run(test())
    finally:
        os.umask(before)


def test_what_was_deleted_is_not_left_in_the_file(file: Path) -> None:
    async def test() -> None:
        store = SqliteStore(file)
        await store.put("a", record("r1", text="a secret of many letters"))
        await store.put("a", record("r2", text="what else was said"))
        await store.delete("a", "r1")
        await store.close()

    asyncio.run(test())
    left = b"".join(each.read_bytes() for each in file.parent.iterdir())
    assert b"a secret of many letters" not in left
    assert b"what else was said" in left


def test_the_file_does_not_grow_beyond_the_bounds(file: Path) -> None:
    bounds = Bounds(bytes=1_000_000)

    async def test() -> None:
        store = SqliteStore(file, bounds)
        for n in range(300):
            await store.put("a", record(f"r{n}", more="x" * 20_000))
        await store.close()

    asyncio.run(test())
    assert 700_000 < file.stat().st_size < 1_500_000


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.relay.stored_responses.made import record
from vast_intercept.relay.stored_responses.bounds import Bounds
from vast_intercept.relay.stored_responses.sqlite import SqliteStore

async def write(path, name):
    store = SqliteStore(Path(path), Bounds(number=60))
    for n in range(50):
        await store.put("a", record(f"{name}{n}", f"{name}{n - 1}" if n else None))
    await store.close()

asyncio.run(write(*sys.argv[1:]))
"""


def test_two_processes_share_a_file(file: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), name], cwd=PROJECT)
        for name in ("x", "y")
    ]
    assert [each.wait(60) for each in writers] == [0, 0]
    with sqlite3.connect(file) as connection:
        (state,) = connection.execute("PRAGMA integrity_check").fetchone()
        (number,) = connection.execute("SELECT count(*) FROM responses").fetchone()
    connection.close()
    assert (state, number) == ("ok", 60)


def made(path: Path) -> None:
    """A store with one response in it."""

    async def make() -> None:
        store = SqliteStore(path)
        await store.put("a", record("r1", more="x" * 20_000))
        await store.close()

    asyncio.run(make())


def cut_short(path: Path) -> None:
    made(path)
    path.write_bytes(path.read_bytes()[:5_000])


def take_away(path: Path) -> None:
    if path.is_file():
        path.rename(path.with_suffix(".old"))
    else:
        path.rmdir()


def content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def other_programs(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()


def of_a_newer_version(path: Path) -> None:
    made(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no database": (lambda path: path.write_bytes(b"not a database " * 100), "not a database"),
    "cut short": (cut_short, "malformed"),
    "another program's": (other_programs, "another program's database"),
    "a newer version's": (of_a_newer_version, "newer version"),
    "a folder": (lambda path: path.mkdir(), "unable to open"),
}


@pytest.mark.parametrize(("spoil", "why"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_the_file_is_logged_once(
    file: Path, spoil: Callable[[Path], object], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(file)
    before = content(file)
    caplog.set_level(logging.INFO)

    async def test() -> None:
        store = SqliteStore(file)
        for _ in range(3):
            with pytest.raises(StoreFailedError, match=why) as caught:
                await store.check()
            assert not caught.value.passing
        with pytest.raises(StoreFailedError):
            await store.get("a", "r1")
        assert content(file) == before  # it may be somebody's
        take_away(file)
        await store.put("a", record("r1"))
        await store.close()

    asyncio.run(test())
    lines = [each.getMessage() for each in caplog.records]
    assert len(lines) == 2
    assert "neither kept nor found" in lines[0]
    assert str(file) in lines[0]
    assert "again" in lines[1]


def test_a_file_that_another_process_holds_is_not_waited_for_long(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.05)

    async def test() -> None:
        store = SqliteStore(file)
        await store.put("a", record("r1"))
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        # The event loop goes on meanwhile.
        waiting = asyncio.create_task(store.put("a", record("r2")))
        await asyncio.sleep(0)
        assert not waiting.done()
        with pytest.raises(StoreFailedError, match="locked") as caught:
            await waiting
        assert caught.value.passing
        assert await store.get("a", "r1")  # reading needs no lock
        holder.execute("ROLLBACK")
        holder.close()
        await store.put("a", record("r2"))
        await store.close()

    asyncio.run(test())


FILLER = """
import asyncio, sys
from pathlib import Path
from tests.relay.stored_responses.made import record
from vast_intercept.relay.stored_responses.bounds import StoreFailedError
from vast_intercept.relay.stored_responses.sqlite import SqliteStore

async def fill(path):
    store = SqliteStore(Path(path))
    await store.put("a", record("first"))
    for n in range(100):
        try:
            await store.put("a", record(f"r{n}", more="x" * 20_000))
        except StoreFailedError as error:
            print(error, error.passing)
            break
    assert await store.get("a", "first")
    assert await store.get("a", f"r{n}") is None
    await store.close()

asyncio.run(fill(sys.argv[1]))
"""


def test_a_full_disk_is_told_and_leaves_what_was_kept(tmp_path: Path) -> None:
    """A small disk of its own, over a folder: that takes no root."""
    mount = 'mount -t tmpfs -o size=400k tmpfs "$0"; exec "$@"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-euc", mount]
    path = tmp_path / "kept.sqlite"
    done = subprocess.run(
        [*unshare, str(tmp_path), sys.executable, "-c", FILLER, str(path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("database or disk is full True\n"), done.stdout


def test_no_thread_is_left_when_the_store_is_closed(file: Path) -> None:
    before = set(threading.enumerate())

    async def test() -> None:
        store = SqliteStore(file)
        await store.check()
        await store.close()

    asyncio.run(test())
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()
