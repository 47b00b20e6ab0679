"""A program is recorded with its provider, and rehearsed on a Vast that answers otherwise."""

from ...harness import APP_KEY
from .cases import CALLS
from .conftest import Recorded


def test_the_program_s_calls_are_recorded_while_its_provider_answers(recorded: Recorded) -> None:
    assert recorded.ran.output == "all answered\n"
    assert len(recorded.received) == CALLS
    assert {key for _, key in recorded.received} == {f"Bearer {APP_KEY}"}
    last = recorded.ran.errors.splitlines()[-1]
    assert f"{CALLS} calls" in last
    assert "vast-intercept rehearse calls.flows" in last
