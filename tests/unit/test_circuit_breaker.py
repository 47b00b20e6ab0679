"""The circuit breaker, with a clock that a test turns."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vast_intercept.relay.circuit_breaker import CircuitBreaker, CircuitOpen, State


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(clock)


def fail_until_open(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(11):
        breaker.failed(probe=breaker.admit())
        clock.now += 1
    assert breaker.state is State.OPEN


def test_failures_in_a_row_over_some_time_open_it(breaker: CircuitBreaker, clock: Clock) -> None:
    fail_until_open(breaker, clock)
    with pytest.raises(CircuitOpen) as refused:
        breaker.admit()
    assert 8 <= refused.value.retry_after <= 10


def test_many_failures_at_the_same_time_do_not(breaker: CircuitBreaker) -> None:
    for _ in range(1_000):
        breaker.failed(probe=breaker.admit())
    assert breaker.state is State.CLOSED


def test_few_failures_over_a_long_time_do_not(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(9):
        breaker.failed(probe=breaker.admit())
        clock.now += 3_600
    assert breaker.state is State.CLOSED


def test_a_success_in_between_starts_the_row_anew(breaker: CircuitBreaker, clock: Clock) -> None:
    for count in range(100):
        breaker.failed(probe=breaker.admit())
        if count % 9 == 8:
            breaker.succeeded()
        clock.now += 2
    assert breaker.state is State.CLOSED


def test_half_open_it_lets_one_call_through_at_a_time(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail_until_open(breaker, clock)
    clock.now += 10
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit()
    with pytest.raises(CircuitOpen):
        breaker.admit()
    breaker.left(probe=True)
    assert breaker.admit()


def test_a_probe_that_succeeds_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    fail_until_open(breaker, clock)
    clock.now += 10
    breaker.admit()
    breaker.succeeded()
    assert breaker.state is State.CLOSED
    assert not breaker.admit()


def test_each_probe_that_fails_doubles_the_pause_up_to_a_minute(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail_until_open(breaker, clock)
    pauses = []
    clock.now += 10
    for _ in range(5):
        breaker.failed(probe=breaker.admit())
        with pytest.raises(CircuitOpen) as refused:
            breaker.admit()
        pauses.append(refused.value.retry_after)
        clock.now += refused.value.retry_after
    assert pauses == [20, 40, 60, 60, 60]


def test_calls_from_before_do_not_lengthen_the_pause(breaker: CircuitBreaker, clock: Clock) -> None:
    earlier = [breaker.admit() for _ in range(20)]
    fail_until_open(breaker, clock)
    for probe in earlier:
        breaker.failed(probe=probe)
    clock.now += 10
    assert breaker.admit()


class AnyCalls(RuleBasedStateMachine):
    """Whatever calls do, at most one is let through while the endpoint is on probation."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(self.clock)
        self.admitted: list[bool] = []

    @rule()
    def call(self) -> None:
        closed = self.breaker.state is State.CLOSED
        try:
            probe = self.breaker.admit()
        except CircuitOpen as refused:
            assert not closed  # a closed one lets everything through
            assert 1 <= refused.retry_after <= 60  # noqa: PT017
        else:
            assert probe is not closed
            self.admitted.append(probe)

    @precondition(lambda self: self.admitted)
    @rule(end=st.sampled_from(["succeeded", "failed", "failed", "failed", "left"]))
    def ends(self, end: str) -> None:
        probe = self.admitted.pop(0)
        if end == "succeeded":
            self.breaker.succeeded()
            self.admitted = [False] * len(self.admitted)
        elif end == "failed":
            self.breaker.failed(probe=probe)
        else:
            self.breaker.left(probe=probe)

    @rule(seconds=st.floats(0, 30))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def at_most_one_probe(self) -> None:
        assert sum(self.admitted) <= 1


TestAnyCalls = AnyCalls.TestCase
TestAnyCalls.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
