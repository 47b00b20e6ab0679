"""The circuit breaker, with a clock that a test turns."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vast_intercept.relay.retrying.circuit_breaker import CircuitBreaker, CircuitOpen, CircuitState


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


def fail(breaker: CircuitBreaker, call: object = None, *, suspect: bool = False) -> None:
    """Another call fails, or this one once more."""
    breaker.failed(call or object(), probe=breaker.admit(), suspect=suspect)


def fail_until_open(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(11):
        fail(breaker)
        clock.now += 1
    assert breaker.state is CircuitState.OPEN


def test_several_calls_that_fail_over_some_time_open_it(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail_until_open(breaker, clock)
    with pytest.raises(CircuitOpen) as refused:
        breaker.admit()
    assert 8 <= refused.value.retry_after <= 10


def test_many_failures_at_the_same_time_do_not(breaker: CircuitBreaker) -> None:
    for _ in range(2_000):
        fail(breaker)
    assert breaker.state is CircuitState.CLOSED


def test_one_call_does_not_however_often_it_fails(breaker: CircuitBreaker, clock: Clock) -> None:
    for number in range(1_000):
        fail(breaker, f"call {number % 2}")
        clock.now += 1
    assert breaker.state is CircuitState.CLOSED


def test_a_few_calls_do_that_are_tried_again_and_again(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    for number in range(11):
        fail(breaker, f"call {number % 3}")
        clock.now += 1
    assert breaker.state is CircuitState.OPEN


def test_failures_long_ago_do_not_count(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(100):
        fail(breaker)
        clock.now += 20
    assert breaker.state is CircuitState.CLOSED


def test_successes_weigh_as_much_as_failures(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(100):
        fail(breaker)
        breaker.succeeded()
        clock.now += 1
    assert breaker.state is CircuitState.CLOSED
    for _ in range(100):
        fail(breaker)
        clock.now += 1
        if breaker.state is CircuitState.OPEN:
            return
    pytest.fail("it never opened")


def test_a_call_that_succeeds_in_the_end_has_not_failed(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    for number in range(100):
        fail(breaker, number)
        breaker.recovered(number)
        clock.now += 1
    assert breaker.state is CircuitState.CLOSED


def test_calls_that_may_be_why_themselves_do_not_outweigh_a_single_success(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    for number in range(200):
        fail(breaker, suspect=True)
        if number % 20 == 0:
            breaker.succeeded()
        clock.now += 0.5
    assert breaker.state is CircuitState.CLOSED


def test_where_no_call_succeeds_they_open_it(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(11):
        fail(breaker, suspect=True)
        clock.now += 1
    assert breaker.state is CircuitState.OPEN
    clock.now += 10
    fail(breaker, suspect=True)  # the probe: another call may be the one to succeed
    clock.now += 10
    assert breaker.state is CircuitState.HALF_OPEN


def test_what_it_remembers_is_bounded(breaker: CircuitBreaker) -> None:
    for _ in range(5_000):
        fail(breaker)
    assert len(breaker._failing) == 1_000


def test_half_open_it_lets_one_call_through_at_a_time(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail_until_open(breaker, clock)
    clock.now += 10
    assert breaker.state is CircuitState.HALF_OPEN
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
    assert breaker.state is CircuitState.CLOSED
    assert not breaker.admit()


def test_each_probe_that_fails_doubles_the_pause_up_to_a_minute(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail_until_open(breaker, clock)
    pauses = []
    clock.now += 10
    for _ in range(5):
        fail(breaker)
        with pytest.raises(CircuitOpen) as refused:
            breaker.admit()
        pauses.append(refused.value.retry_after)
        clock.now += refused.value.retry_after
    assert pauses == [20, 40, 60, 60, 60]


def test_calls_from_before_do_not_lengthen_the_pause(breaker: CircuitBreaker, clock: Clock) -> None:
    earlier = [breaker.admit() for _ in range(20)]
    fail_until_open(breaker, clock)
    for probe in earlier:
        breaker.failed("earlier", probe=probe)
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
        closed = self.breaker.state is CircuitState.CLOSED
        try:
            probe = self.breaker.admit()
        except CircuitOpen as refused:
            assert not closed  # a closed one lets everything through
            assert 1 <= refused.retry_after <= 60  # noqa: PT017
        else:
            assert probe is not closed
            self.admitted.append(probe)

    @precondition(lambda self: self.admitted)
    @rule(
        end=st.sampled_from(["succeeded", "failed", "failed", "failed", "left"]),
        suspect=st.booleans(),
    )
    def ends(self, end: str, *, suspect: bool) -> None:
        probe = self.admitted.pop(0)
        if end == "succeeded":
            self.breaker.succeeded()
            self.admitted = [False] * len(self.admitted)
        elif end == "failed":
            self.breaker.failed(object(), probe=probe, suspect=suspect)
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
