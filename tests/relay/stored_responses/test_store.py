"""What a store promises, in memory and in a file."""

import asyncio
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vast_intercept.bridges.bridge import Record
from vast_intercept.relay.stored_responses.bounds import (
    Bounds,
    LostTurnError,
    ResponseStore,
    TooLongError,
)
from vast_intercept.relay.stored_responses.kept import keep
from vast_intercept.relay.stored_responses.memory import MemoryStore
from vast_intercept.relay.stored_responses.sqlite import SqliteStore

from .made import record

KINDS = ["memory", "sqlite"]


class Clock:
    """A clock that a test sets."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def made(kind: str, folder: Path, bounds: Bounds, clock: Clock) -> ResponseStore:
    if kind == "memory":
        return MemoryStore(bounds, clock)
    return SqliteStore(folder / "kept.sqlite", bounds, clock)


type Test = Callable[[ResponseStore], Awaitable[None]]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def with_store(kind: str, tmp_path: Path, clock: Clock) -> Callable[..., None]:
    """Runs a test with a store, and closes it."""

    def run(test: Test, bounds: Bounds = Bounds()) -> None:  # noqa: B008  (it never changes)
        async def tested() -> None:
            store = made(kind, tmp_path, bounds, clock)
            await test(store)
            await store.close()

        asyncio.run(tested())

    return run


Run = Callable[..., None]


def test_what_was_put_is_there(with_store: Run) -> None:
    async def test(store: ResponseStore) -> None:
        one = record("resp_1")
        await store.check()
        await store.put("a", one)
        assert await store.get("a", "resp_1") == one
        assert await store.history("a", "resp_1") == [
            one.items,
            b'[{"type":"message","id":"msg_out_resp_1","content":"HI"}]',
        ]

    with_store(test)


def test_another_owner_gets_nothing(with_store: Run) -> None:
    async def test(store: ResponseStore) -> None:
        await store.put("a", record("resp_1"))
        for other in ("b", "", "A"):
            assert await store.get(other, "resp_1") is None
            assert await store.history(other, "resp_1") == []
            assert await store.items(other, ("msg_out_resp_1",)) == {}
            assert not await store.delete(other, "resp_1")
            # Its own response may have the same id.
            await store.put(other, record("resp_1", text=other))
        assert await store.get("a", "resp_1") == record("resp_1")

    with_store(test)


def test_a_conversation_is_given_from_its_first_turn_to_its_last(with_store: Run) -> None:
    async def test(store: ResponseStore) -> None:
        turns = [record(f"r{n}", f"r{n - 1}" if n else None, str(n)) for n in range(10)]
        branch = record("branch", "r4", "other")
        for turn in (*turns, branch):
            await store.put("a", turn)
        texts = [each.items for each in turns[:5]]
        assert (await store.history("a", "r4"))[::2] == texts
        assert (await store.history("a", "branch"))[::2] == [*texts, branch.items]
        assert len(await store.history("a", "r9")) == 20

    with_store(test)


def test_a_conversation_without_its_beginning_is_none(with_store: Run) -> None:
    async def test(store: ResponseStore) -> None:
        for n in range(4):
            await store.put("a", record(f"r{n}", f"r{n - 1}" if n else None))
        assert await store.delete("a", "r1")
        assert not await store.delete("a", "r1")
        assert await store.get("a", "r1") is None
        assert await store.history("a", "r1") == []
        assert len(await store.history("a", "r0")) == 2
        for lost in ("r2", "r3"):
            with pytest.raises(LostTurnError) as caught:
                await store.history("a", lost)
            assert caught.value.id == "r1"

    with_store(test)


def test_a_conversation_that_is_too_long_is_not_read(with_store: Run) -> None:
    async def test(store: ResponseStore) -> None:
        for n in range(6):
            await store.put("a", record(f"r{n}", f"r{n - 1}" if n else None, "x" * 1_000))
        assert len(await store.history("a", "r3")) == 8
        with pytest.raises(TooLongError):
            await store.history("a", "r4")

    with_store(test, Bounds(history_bytes=9_000))
    with_store(test, Bounds(history_items=8))


def test_a_response_that_follows_itself_ends(with_store: Run) -> None:
    """No bridge makes one. A file may hold anything."""

    async def test(store: ResponseStore) -> None:
        await store.put("a", record("r1", "r1"))
        with pytest.raises((TooLongError, LostTurnError)):
            await store.history("a", "r1")

    with_store(test)


def test_items_of_input_and_output_are_found(with_store: Run) -> None:
    async def test(store: ResponseStore) -> None:
        await store.put("a", record("r1", text="é\u2028🦊"))
        await store.put("a", record("r2", "r1", text="two"))
        ids = ("msg_in_r1", "msg_out_r1", "msg_out_r2", "msg_none")
        found = {
            id_: msgspec.json.decode(item) for id_, item in (await store.items("a", ids)).items()
        }
        assert list(found) == list(ids[:3])
        assert all(item["id"] == id_ for id_, item in found.items())
        assert [item["content"] for item in found.values()] == ["é\u2028🦊", "É\u2028🦊", "TWO"]
        await store.delete("a", "r1")
        assert list(await store.items("a", ids)) == ["msg_out_r2"]

    with_store(test)


@pytest.mark.parametrize("how", ["delete", "replace"])
def test_an_item_is_found_as_long_as_a_response_has_it(how: str, with_store: Run) -> None:
    async def test(store: ResponseStore) -> None:
        for name in ("r1", "r2", "r3"):
            await store.put("a", record(name, text=name, item="m"))
        for gone, left in (("r2", b"R3"), ("r3", b"R1"), ("r1", None)):
            if how == "delete":
                await store.delete("a", gone)
            else:
                await store.put("a", record(gone))
            found = await store.items("a", ("m",))
            assert found if left else not found
            assert left is None or left in found["m"]

    with_store(test)


def test_an_item_is_found_until_the_latest_response_that_has_it_is_too_old(
    with_store: Run, clock: Clock
) -> None:
    async def test(store: ResponseStore) -> None:
        await store.put("a", record("r1", text="one", item="m"))
        clock.now += 60
        await store.put("a", record("r2", text="two", item="m"))
        clock.now += 60
        assert b"TWO" in (await store.items("a", ("m",)))["m"]
        clock.now += 60
        assert await store.items("a", ("m",)) == {}

    with_store(test, Bounds(seconds=100))


def test_what_is_old_is_gone(with_store: Run, clock: Clock) -> None:
    async def test(store: ResponseStore) -> None:
        await store.put("a", record("old"))
        clock.now += 60
        await store.put("a", record("new", "old"))
        assert len(await store.history("a", "new")) == 4
        clock.now += 30 * 86_400 - 60
        assert await store.get("a", "old") is None
        assert await store.items("a", ("msg_out_old",)) == {}
        assert not await store.delete("a", "old")
        assert await store.get("a", "new")
        with pytest.raises(LostTurnError):
            await store.history("a", "new")
        clock.now += 60
        assert await store.get("a", "new") is None

    with_store(test)


def test_a_response_larger_than_the_store_is_not_kept_and_pushes_nothing_out(
    with_store: Run,
) -> None:
    async def test(store: ResponseStore) -> None:
        await store.put("a", record("small"))
        await store.put("a", record("large", more="x" * 20_000))
        assert await store.get("a", "large") is None
        assert await store.get("a", "small")

    with_store(test, Bounds(bytes=10_000))


def test_responses_that_are_not_as_expected_are_kept_as_they_are(with_store: Run) -> None:
    async def test(store: ResponseStore) -> None:
        for number, (items, response) in enumerate(
            [
                (b"", b""),
                (b"{}", b"[]"),
                (b"[1,null,{}]", b'{"output":null}'),
                (b'[{"id":3},{"id":null},{"id":""}]', b'{"output":[[],{"id":"x"}]}'),
                (b"not JSON", b'{"output":'),
            ]
        ):
            odd = Record(f"odd{number}", None, items, response)
            await store.put("a", odd)
            assert await store.get("a", odd.id) == odd
        assert await store.items("a", ("x", "", "3")) == {"x": b'{"id":"x"}'}

    with_store(test)


# --- the store beside a simple model -----------------------------------------------------------

SMALL = Bounds(number=4, bytes=12_000, seconds=100, history_bytes=10**6)
NAMES = st.sampled_from(["r0", "r1", "r2", "r3", "r4", "r5"])
OWNERS = st.sampled_from(["a", "b"])
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"), OWNERS, NAMES, st.none() | NAMES, st.integers(0, 12_000), st.booleans()
        ),
        st.tuples(st.just("delete"), OWNERS, NAMES),
        st.tuples(st.just("wait"), st.integers(0, 60)),
    ),
    max_size=30,
)


class Model:
    """Keeps a list of responses, and looks through all of it each time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.kept: list[tuple[float, str, Record]] = []

    def drop_old(self) -> None:
        self.kept = [each for each in self.kept if each[0] > self._clock.now - SMALL.seconds]

    def put(self, owner: str, new: Record) -> None:
        self.delete(owner, new.id)
        if keep(new).size > SMALL.bytes:
            return
        self.kept.append((self._clock.now, owner, new))
        while len(self.kept) > SMALL.number or self.size > SMALL.bytes:
            del self.kept[0]

    @property
    def size(self) -> int:
        return sum(keep(each).size for _, _, each in self.kept)

    def get(self, owner: str, id_: str) -> Record | None:
        return next((e for _, of, e in self.kept if (of, e.id) == (owner, id_)), None)

    def delete(self, owner: str, id_: str) -> bool:
        there = self.get(owner, id_) is not None
        self.kept = [each for each in self.kept if (each[1], each[2].id) != (owner, id_)]
        return there


async def compare(store: ResponseStore, model: Model, clock: Clock, steps: list[object]) -> None:
    for step in steps:
        match step:
            case ("put", owner, name, previous, size, shared):
                # An item's id may stand in several responses: apps send items back.
                made = record(name, previous, "x" * (size // 3), item="m" if shared else "")
                await store.put(owner, made)
                model.drop_old()
                model.put(owner, made)
            case ("delete", owner, name):
                model.drop_old()
                assert await store.delete(owner, name) == model.delete(owner, name)
            case ("wait", seconds):
                clock.now += seconds
        model.drop_old()
        for owner in ("a", "b"):
            for name in ("r0", "r1", "r2", "r3", "r4", "r5"):
                kept = model.get(owner, name)
                assert await store.get(owner, name) == kept
                (found,) = (await store.items(owner, (f"msg_in_{name}",))).values() or (None,)
                assert (found is not None) == (kept is not None)
            latest = [e for _, of, e in model.kept if of == owner and b'"id":"m"' in e.response]
            shared_item = (await store.items(owner, ("m",))).get("m")
            # The latest that is there has it.
            output = msgspec.json.decode(latest[-1].response)["output"] if latest else [None]
            assert (shared_item and msgspec.json.decode(shared_item)) == output[0]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_any_sequence_of_calls_gives_what_a_list_would(kind: str, steps: list[object]) -> None:
    """So the bounds hold at any time, too: the model is never above them."""
    clock = Clock()

    async def test(folder: Path) -> None:
        store = made(kind, folder, SMALL, clock)
        try:
            await compare(store, Model(clock), clock, steps)
        finally:
            await store.close()

    with TemporaryDirectory() as folder:
        asyncio.run(test(Path(folder)))


# --- speed and memory -------------------------------------------------------------------------


def test_a_conversation_of_a_hundred_turns_is_there_within_five_milliseconds(
    with_store: Run,
) -> None:
    async def test(store: ResponseStore) -> None:
        for n in range(100):
            # What agents send: tools that each response repeats.
            turn = record(f"r{n}", f"r{n - 1}" if n else None, "x" * 500, more="t" * 20_000)
            await store.put("a", turn)
        times = []
        for _ in range(20):
            begun = time.perf_counter()
            assert len(await store.history("a", "r99")) == 200
            times.append(time.perf_counter() - begun)
        assert min(times) < 0.005

    with_store(test)


def test_a_thousand_turns_take_no_more_memory_than_the_bounds_say() -> None:
    bounds = Bounds(bytes=4_000_000)

    async def test() -> None:
        store = MemoryStore(bounds)
        tracemalloc.start()
        try:
            for n in range(1_000):
                await store.put("a", record(f"r{n}", f"r{n - 1}" if n else None, more="x" * 10_000))
            assert tracemalloc.get_traced_memory()[0] < bounds.bytes
            for n in range(10_000):  # small ones, of which the rest is a large part
                await store.put("a", record(f"s{n}"))
            assert tracemalloc.get_traced_memory()[0] < bounds.bytes
        finally:
            tracemalloc.stop()

    asyncio.run(test())


def test_a_response_of_very_many_items_takes_no_more_memory_than_is_counted() -> None:
    items = msgspec.json.encode([{"id": f"msg_{n}"} for n in range(20_000)])
    large = Record("r", None, items, b"{}")

    async def test() -> None:
        store = MemoryStore()
        tracemalloc.start()
        try:
            await store.put("a", large)
            assert tracemalloc.get_traced_memory()[0] < keep(large).size - len(items)
        finally:
            tracemalloc.stop()

    asyncio.run(test())
