"""Which store a call is served by, and what apps are told."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from vast_intercept.config import Responses, ResponseStoreKind
from vast_intercept.config.config import defaults
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.relay.call import Call
from vast_intercept.relay.stored_responses.bounds import BOUNDS, Bounds
from vast_intercept.relay.stored_responses.stores import StoredResponses

from .made import record

MEMORY, OFF = ResponseStoreKind


def call(store: ResponseStoreKind | Path = MEMORY, owner: str = "a") -> Call:
    config = replace(defaults(), responses=Responses(store=store))
    return Call(work=None, config=config, request_id="req_1", max_body=1, client=None, owner=owner)


type Test = Callable[[StoredResponses], Awaitable[None]]


def run(test: Test, bounds: Bounds = BOUNDS) -> None:
    async def tested() -> None:
        stored = StoredResponses(bounds)
        await test(stored)
        await stored.close()

    asyncio.run(tested())


async def refused(asked: Awaitable[object]) -> tuple[int, str, str | None]:
    with pytest.raises(ApiError) as caught:
        await asked
    error = caught.value
    return error.status, error.code, error.param


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> ResponseStoreKind | Path:
    return MEMORY if request.param == "memory" else tmp_path / "kept.sqlite"


def test_a_turn_that_had_to_go_is_missed(place: ResponseStoreKind | Path) -> None:
    """By number here; it is the same by bytes and by age."""

    async def test(stored: StoredResponses) -> None:
        for n in range(4):
            await stored.keep(call(place), record(f"r{n}", f"r{n - 1}" if n else None))
        lost = await refused(stored.history(call(place), "r3"))
        assert lost == (400, "previous_response_incomplete", "previous_response_id")
        gone = await refused(stored.history(call(place), "r0"))
        assert gone == (400, "previous_response_not_found", "previous_response_id")
        assert await refused(stored.get(call(place), "r0")) == (404, "response_not_found", None)
        assert (await stored.get(call(place), "r3")).id == "r3"

    run(test, Bounds(number=3))


def test_a_conversation_that_is_too_long_is_refused(place: ResponseStoreKind | Path) -> None:
    async def test(stored: StoredResponses) -> None:
        await stored.keep(call(place), record("r0", text="x" * 1_000))
        long = await refused(stored.history(call(place), "r0"))
        assert long == (413, "request_too_large", "previous_response_id")

        assert await stored.items(call(place), ("msg_in_r0",)) != {}
        ids = ("msg_in_r0", "msg_out_r0")  # each is short enough
        assert await refused(stored.items(call(place), ids)) == (413, "request_too_large", "input")

    run(test, Bounds(history_bytes=1_100))


def test_what_is_off_forgets(place: ResponseStoreKind | Path) -> None:
    async def test(stored: StoredResponses) -> None:
        one = record("r0")
        await stored.keep(call(place), one)
        assert await stored.get(call(place), "r0") == one
        await stored.keep(call(OFF), record("r1"))
        await stored.check(call(OFF))
        assert await stored.items(call(OFF), ("msg_out_r0",)) == {}
        with pytest.raises(ApiError, match="store: off"):
            await stored.history(call(OFF), "r0")
        with pytest.raises(ApiError, match="store: off"):
            await stored.delete(call(OFF), "r0")
        # What is in memory is gone, what is in a file is there if it is named again.
        if place is MEMORY:
            assert (await refused(stored.get(call(place), "r0")))[0] == 404
        else:
            assert await stored.get(call(place), "r0") == one

    run(test)


def test_calls_are_served_by_the_store_that_they_started_with(tmp_path: Path) -> None:
    async def test(stored: StoredResponses) -> None:
        one, other = call(tmp_path / "one"), call(tmp_path / "other")
        await stored.keep(one, record("r0"))
        await stored.keep(other, record("r1"))
        assert (await stored.get(one, "r0")).id == "r0"
        assert (await refused(stored.get(other, "r0")))[0] == 404

    run(test)


def test_a_store_that_fails_is_told_wherever_it_is_needed(tmp_path: Path) -> None:
    async def test(stored: StoredResponses) -> None:
        broken = call(tmp_path)  # a folder
        asked: list[tuple[Awaitable[object], str | None]] = [
            (stored.check(broken), "store"),
            (stored.keep(broken, record("r0")), "store"),
            (stored.history(broken, "r0"), "previous_response_id"),
            (stored.items(broken, ("msg",)), "input"),
            (stored.get(broken, "r0"), None),
            (stored.delete(broken, "r0"), None),
        ]
        for each, param in asked:
            assert await refused(each) == (500, "response_store_failed", param)
        assert await stored.items(broken, ()) == {}

    run(test)


def test_an_error_repeats_no_endless_id() -> None:
    async def test(stored: StoredResponses) -> None:
        with pytest.raises(ApiError) as caught:
            await stored.history(call(), "x" * 100_000)
        assert len(caught.value.message) < 300

    run(test)
