"""The dashboard's state is what its page is tested with."""

from typing import Any

import msgspec
import pytest

from vast_intercept.config.config import defaults
from vast_intercept.dashboard.state import DashboardState, HowTo, state_of
from vast_intercept.telemetry.monitor import Monitor

from .played import empty, full, of_all_kinds

PLAYED: dict[str, dict[str, Any]] = {
    "empty": empty(),
    "full": full(),
    "of all kinds": of_all_kinds(),
}
LATER = "of_a_later_version"


@pytest.mark.parametrize("name", PLAYED)
def test_the_played_ones_have_its_members_and_types(name: str) -> None:
    played = {key: value for key, value in PLAYED[name].items() if key != LATER}
    read = msgspec.convert(played, DashboardState)
    assert msgspec.to_builtins(read) == played


def test_the_played_ones_have_its_totals() -> None:
    how_to = HowTo(listening=[], ca_file="", provider_hosts=[], commands=[])
    state = state_of(Monitor(defaults, lambda: ()), defaults(), "", how_to)
    assert state.totals.keys() == empty()["totals"].keys()
