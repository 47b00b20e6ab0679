"""What calls hold together: whatever becomes of them, all of it is given back."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.intercept.body_recorder import BodyRecorder
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.limits import ALWAYS_HELD
from vast_intercept.relay.memory import Memory, Share
from vast_intercept.relay.serving.app_body import receive

MOST = 10 * ALWAYS_HELD
SIZES = st.integers(0, 2 * MOST)
STEPS = st.one_of(
    *(
        st.tuples(st.just(name), SIZES)
        for name in ("has_room_for", "has_room_for_two", "reserve", "take")
    ),
    *(st.tuples(st.just(name), st.just(None)) for name in ("close", "give_back_reserved")),
)


def memory() -> Memory:
    made = Memory()
    made.most = MOST
    return made


@given(st.lists(st.tuples(st.integers(0, 3), STEPS)))
def test_what_is_held_is_never_negative_and_is_given_back(
    steps: list[tuple[int, tuple[str, int | None]]],
) -> None:
    counted = memory()
    shares = [Share(counted) for _ in range(4)]
    for number, (name, size) in steps:
        with suppress(ApiError):
            getattr(shares[number], name)(*([] if size is None else [size]))
        assert 0 <= counted.held <= counted.most + len(shares) * ALWAYS_HELD
    del shares
    assert counted.held == 0


def test_a_small_call_has_room_whatever_others_hold() -> None:
    counted = memory()
    others, small = Share(counted), Share(counted)
    assert others.has_room_for(MOST)
    assert small.has_room_for_two(ALWAYS_HELD // 2)
    small.take(ALWAYS_HELD // 2)
    with pytest.raises(ApiError):
        small.take(1)


def test_what_is_reserved_is_taken_once() -> None:
    counted = memory()
    one, other = Share(counted), Share(counted)
    one.reserve(MOST - ALWAYS_HELD)
    with pytest.raises(ApiError):
        other.reserve(2 * ALWAYS_HELD)
    one.take(ALWAYS_HELD)
    assert counted.held == MOST - ALWAYS_HELD
    one.give_back_reserved()
    one.give_back_reserved()
    assert counted.held == ALWAYS_HELD
    other.reserve(2 * ALWAYS_HELD)


def test_a_body_that_is_kept_no_more_is_given_back() -> None:
    counted = memory()
    share = Share(counted)
    kept = BodyRecorder(100, share)
    kept(b"x" * 100)
    assert (counted.held, kept.body) == (100, b"x" * 100)
    for _ in range(2):
        kept(b"x")
        assert (counted.held, kept.body) == (0, None)
    share.close()
    assert counted.held == 0


class Content:
    """A body that comes in pieces, which looks at what is held before each."""

    def __init__(self, counted: Memory, pieces: list[bytes]) -> None:
        self._counted = counted
        self._pieces = pieces
        self.held: list[int] = []

    async def readany(self) -> bytes:
        self.held.append(self._counted.held)
        return self._pieces.pop(0) if self._pieces else b""


@pytest.mark.parametrize("limit", [15, MOST], ids=["for a call", "for all calls"])
def test_nothing_is_held_of_a_body_that_is_too_large(limit: int) -> None:
    counted = memory()
    piece = b"x" * (10 if limit < MOST else ALWAYS_HELD)
    content = Content(counted, [piece] * 12)
    request = cast("Any", SimpleNamespace(content=content))
    share = Share(counted)
    others = Share(counted)
    others.take(MOST - len(piece))
    if limit < MOST:
        assert asyncio.run(receive(request, limit, share)) is None
    else:
        with pytest.raises(ApiError):
            asyncio.run(receive(request, 100 * MOST, share))
    # The second piece is one too many: of the rest, nothing.
    assert content.held[1] == MOST
    assert set(content.held[2:]) == {MOST - len(piece)}
