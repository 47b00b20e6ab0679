"""The configuration is read again when its files change, and only then."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vast_intercept.config import Config, load_config
from vast_intercept.config_watch import ConfigWatch
from vast_intercept.secret import Secret


class Watched:
    """A configuration file, and the watch over it."""

    def __init__(self, path: Path, load: Callable[[], Config] | None = None) -> None:
        self.path = path
        self.loads = 0
        self.watch = ConfigWatch(load or self._load, path)

    def _load(self) -> Config:
        self.loads += 1
        return load_config(self.path, {})

    def write(self, text: str) -> None:
        """Replaces the file, as editors do: each time it is another one."""
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)

    @property
    def endpoint(self) -> str | None:
        self.watch.refresh()
        return self.watch.config.endpoint


@pytest.fixture
def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Watched:
    caplog.set_level(logging.INFO, logger="vast_intercept")
    return Watched(tmp_path / "vast.yaml")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_before_the_first_reading_there_are_defaults_and_a_problem(watched: Watched) -> None:
    assert watched.watch.config.endpoint is None
    assert watched.watch.problem
    assert watched.loads == 0


def test_a_valid_change_holds_at_once(watched: Watched) -> None:
    watched.write("vast: {endpoint: one}")
    assert watched.watch.refresh() is True
    assert watched.watch.config.endpoint == "one"
    assert watched.watch.problem == ""
    watched.write("vast: {endpoint: two}")
    assert watched.watch.refresh() is True
    assert watched.watch.config.endpoint == "two"


def test_a_change_in_place_is_seen_too(watched: Watched) -> None:
    watched.path.write_text("vast: {endpoint: one}")
    assert watched.endpoint == "one"
    watched.path.write_text("vast: {endpoint: another}")
    assert watched.endpoint == "another"


def test_a_change_of_the_same_length_is_seen_by_its_time(watched: Watched) -> None:
    watched.path.write_text("vast: {endpoint: one}")
    assert watched.endpoint == "one"
    watched.path.write_text("vast: {endpoint: two}")
    os.utime(watched.path, ns=(1, 1))
    assert watched.endpoint == "two"


def test_a_file_that_has_not_changed_is_not_read_again(watched: Watched) -> None:
    watched.write("vast: {endpoint: one}")
    assert [watched.watch.refresh() for _ in range(5)] == [True, False, False, False, False]
    assert watched.loads == 1


def test_an_invalid_change_is_logged_once_and_the_old_configuration_stays(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write("vast: {endpoint: one}")
    watched.watch.refresh()
    caplog.clear()
    watched.write("vast: {endpont: two}")
    assert [watched.watch.refresh() for _ in range(3)] == [False, False, False]
    assert watched.watch.config.endpoint == "one"
    assert watched.watch.problem == ""
    (warning,) = warnings(caplog)
    assert "vast.endpont" in warning
    assert "stays in force" in warning
    watched.write("vast: {endpoint: two}")
    assert watched.endpoint == "two"


def test_an_invalid_first_configuration_is_a_problem_until_it_is_mended(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write("vast: {endpont: two}")
    assert watched.watch.refresh() is False
    assert "vast.endpont" in watched.watch.problem
    assert "refused" in warnings(caplog)[-1]
    watched.write("vast: {endpoint: 5}")
    watched.watch.refresh()
    assert "vast.endpoint:" in watched.watch.problem
    watched.write("vast: {endpoint: two}")
    assert watched.watch.refresh() is True
    assert (watched.watch.config.endpoint, watched.watch.problem) == ("two", "")


def test_a_file_that_is_gone_leaves_the_configuration_and_may_come_back(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write("vast: {endpoint: one}")
    assert watched.endpoint == "one"
    caplog.clear()
    watched.path.unlink()
    assert watched.endpoint == watched.endpoint == "one"
    (warning,) = warnings(caplog)
    assert "cannot be read" in warning
    watched.write("vast: {endpoint: two}")
    assert watched.endpoint == "two"


def test_a_file_that_is_not_there_yet_is_read_when_it_appears(watched: Watched) -> None:
    assert watched.watch.refresh() is False
    assert "cannot be read" in watched.watch.problem
    watched.write("vast: {endpoint: one}")
    assert watched.endpoint == "one"


def test_without_a_file_it_is_read_once() -> None:
    watch = ConfigWatch(lambda: load_config(None, {"VAST_ENDPOINT": "e"}), None)
    assert [watch.refresh(), watch.refresh()] == [True, False]
    assert watch.config.endpoint == "e"


def test_a_key_that_is_rotated_holds_at_once(watched: Watched, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    watched.write(f"vast: {{api_key: 'file:{key_file}', endpoint: e}}")
    watched.watch.refresh()
    assert watched.watch.config.api_key is None
    for key in ("first-key-0123456789", "second-key-0123456789"):
        new = tmp_path / "new-key"
        new.write_text(key)
        new.replace(key_file)
        assert watched.watch.refresh() is True
        assert watched.watch.config.api_key == Secret(key)
    key_file.unlink()
    assert watched.watch.refresh() is True
    assert watched.watch.config.api_key is None
    assert str(key_file) in watched.watch.config.api_key_problem


def test_another_key_file_is_watched_from_then_on(watched: Watched, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("key-one")
    two.write_text("key-two")
    watched.write(f"vast: {{api_key: 'file:{one}'}}")
    watched.watch.refresh()
    watched.write(f"vast: {{api_key: 'file:{two}'}}")
    watched.watch.refresh()
    assert watched.watch.config.api_key == Secret("key-two")
    one.write_text("key-one-has-changed")
    assert watched.watch.refresh() is False
    two.write_text("key-two-has-changed")
    assert watched.watch.refresh() is True
    assert watched.watch.config.api_key == Secret("key-two-has-changed")


def test_a_change_while_the_file_is_read_is_not_missed(tmp_path: Path) -> None:
    changes = ["vast: {endpoint: the-newer-one}", None]

    def load() -> Config:
        config = load_config(watched.path, {})
        if change := changes.pop(0):
            watched.write(change)
        return config

    watched = Watched(tmp_path / "vast.yaml", load)
    watched.write("vast: {endpoint: old}")
    assert watched.endpoint == "old"
    assert watched.endpoint == "the-newer-one"


def test_warnings_are_logged_with_each_new_configuration(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write("vast: {api_key: literal-key-0123456789, endpoint: e}")
    watched.watch.refresh()
    (warning,) = warnings(caplog)
    assert "vast.api_key" in warning
    assert "literal-key" not in caplog.text
    watched.write("vast: {api_key: literal-key-0123456789, endpoint: other}")
    watched.watch.refresh()
    assert len(warnings(caplog)) == 2
    assert "Read the configuration again" in caplog.text
