"""What is remembered has an end, and warnings are logged once."""

import logging

import pytest

from vast_intercept import warn_once
from vast_intercept.bounded import BoundedDict
from vast_intercept.warn_once import WarnOnce


def test_the_entry_that_was_set_longest_ago_makes_room() -> None:
    known = BoundedDict[str, int](2)
    known["a"], known["b"], known["a"], known["c"] = 1, 2, 3, 4
    assert dict(known) == {"a": 3, "c": 4}


def test_a_warning_comes_once_for_each_key(caplog: pytest.LogCaptureFixture) -> None:
    warn = WarnOnce(logging.getLogger(__name__))
    for key in ("one", "two", "one"):
        warn(key, f"100 % {key}")
    assert caplog.messages == ["100 % one", "100 % two"]


def test_old_warnings_are_forgotten(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warn_once, "_MAX_REMEMBERED", 2)
    warn = WarnOnce(logging.getLogger(__name__))
    for key in (1, 2, 3, 1):
        warn(key, str(key))
    assert caplog.messages == ["1", "2", "3", "1"]
