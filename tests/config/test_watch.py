"""The configuration is read again when its files have changed and are all there, and only then."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from vast_intercept.config import SETTLED, Config, ConfigWatch, load_config
from vast_intercept.config.watch import AWAITED, CONFIRMED
from vast_intercept.secret import Secret


class Watched:
    """A configuration file, and the watch over it, whose clock stands still."""

    def __init__(self, path: Path, load: Callable[[], Config] | None = None) -> None:
        self.path = path
        self.loads = 0
        self.now = 1_000.0
        self.watch = ConfigWatch(load or self._load, path, lambda: self.now)

    def _load(self) -> Config:
        self.loads += 1
        return load_config(self.path, {})

    def write(self, text: str) -> None:
        """Replaces the file, as editors do: each time it is another one."""
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)

    def refresh(self, after: float = SETTLED) -> bool:
        """Looks, and looks again when the files have been left alone for a moment.

        And once more, for a key's file that it has learned of only then.
        """
        for _ in range(2):
            if self.watch.refresh():
                return True
            self.now += after
        return self.watch.refresh()

    @property
    def endpoint(self) -> str | None:
        self.refresh()
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


def test_a_valid_change_holds_once_its_file_is_left_alone(watched: Watched) -> None:
    watched.write("vast: {endpoint: one}")
    assert watched.refresh() is True
    assert watched.watch.config.endpoint == "one"
    assert watched.watch.problem == ""
    watched.write("vast: {endpoint: two}")
    assert watched.refresh() is True
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
    assert [watched.refresh() for _ in range(5)] == [True, False, False, False, False]
    assert watched.loads == 1


def test_an_invalid_change_is_logged_once_and_the_old_configuration_stays(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write("vast: {endpoint: one}")
    watched.refresh()
    caplog.clear()
    watched.write("vast: {endpont: two}")
    assert [watched.refresh() for _ in range(3)] == [False, False, False]
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
    assert watched.refresh() is False
    assert "vast.endpont" in watched.watch.problem
    assert "refused" in warnings(caplog)[-1]
    watched.write("vast: {endpoint: 5}")
    watched.refresh()
    assert "vast.endpoint:" in watched.watch.problem
    watched.write("vast: {endpoint: two}")
    assert watched.refresh() is True
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
    assert watched.refresh() is False
    assert "cannot be read" in watched.watch.problem
    watched.write("vast: {endpoint: one}")
    assert watched.endpoint == "one"


def test_without_a_file_it_is_read_once() -> None:
    watch = ConfigWatch(lambda: load_config(None, {"VAST_ENDPOINT": "e"}), None)
    assert [watch.refresh(), watch.refresh()] == [True, False]
    assert watch.config.endpoint == "e"


def test_a_key_that_is_rotated_holds_once_its_file_is_left_alone(
    watched: Watched, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    watched.write(f"vast: {{api_key: 'file:{key_file}', endpoint: e}}")
    watched.refresh()
    assert watched.watch.config.api_key is None
    for key in ("first-key-0123456789", "second-key-0123456789"):
        new = tmp_path / "new-key"
        new.write_text(key)
        new.replace(key_file)
        assert watched.refresh() is True
        assert watched.watch.config.api_key == Secret(key)
    key_file.unlink()
    assert watched.refresh() is False
    assert watched.refresh(CONFIRMED) is True
    assert watched.watch.config.api_key is None
    assert str(key_file) in watched.watch.config.api_key_problem


def test_another_key_file_is_watched_from_then_on(watched: Watched, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("key-one")
    two.write_text("key-two")
    watched.write(f"vast: {{api_key: 'file:{one}'}}")
    watched.refresh()
    watched.write(f"vast: {{api_key: 'file:{two}'}}")
    watched.refresh()
    assert watched.watch.config.api_key == Secret("key-two")
    one.write_text("key-one-has-changed")
    assert watched.refresh() is False
    two.write_text("key-two-has-changed")
    assert watched.refresh() is True
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
    assert watched.endpoint is None
    assert watched.endpoint == "the-newer-one"


def test_warnings_are_logged_with_each_new_configuration(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write("vast: {api_key: literal-key-0123456789, endpoint: e}")
    watched.refresh()
    (warning,) = warnings(caplog)
    assert "vast.api_key" in warning
    assert "literal-key" not in caplog.text
    watched.write("vast: {api_key: literal-key-0123456789, endpoint: other}")
    watched.refresh()
    assert len(warnings(caplog)) == 2
    assert "Read the configuration again" in caplog.text


OLD = """\
vast:
  endpoint: my-endpoint
clients:
  allow_from: [127.0.0.0/8, 192.168.1.0/24]
  keys:
    - {{name: billing, sha256: {hash}}}
routes:
  - {{model: "gpt-4*", endpoint: big-one}}
""".format(hash="ab" * 32)
NEW = OLD.replace("my-endpoint", "my-other-endpoint").replace("/24", "/28")


def test_of_a_file_that_is_written_byte_by_byte_only_the_whole_is_ever_in_force(
    watched: Watched,
) -> None:
    watched.write(OLD)
    assert watched.refresh()
    old = watched.watch.config
    for end in range(len(NEW)):
        watched.path.write_text(NEW[:end])
        assert watched.watch.refresh() is False
        watched.now += SETTLED / 2
        assert watched.watch.refresh() is False
        assert watched.watch.config is old
    watched.path.write_text(NEW)
    assert watched.refresh()
    assert watched.endpoint == "my-other-endpoint"
    assert len(watched.watch.config.client_keys) == 1


def test_the_first_configuration_is_not_one_that_is_being_written(watched: Watched) -> None:
    for end in range(len(OLD)):
        watched.path.write_text(OLD[:end])
        assert watched.watch.refresh() is False
        assert watched.watch.problem
    watched.path.write_text(OLD)
    assert watched.refresh()
    assert watched.watch.config.client_keys


def test_at_the_start_a_file_that_was_left_alone_is_read_at_once(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.write(OLD)
    written = time.time()
    monkeypatch.setattr(time, "time", lambda: written + SETTLED + 0.01)
    assert watched.watch.refresh()


def test_what_is_written_again_as_it_was_is_not_waited_for(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write(OLD)
    assert watched.refresh()
    caplog.clear()
    for _ in range(3):
        watched.path.write_text("")
        assert watched.watch.refresh() is False
        assert watched.watch.awaited
        watched.path.write_text(OLD)
        assert watched.watch.refresh() is False
        assert not watched.watch.pending
        assert watched.watch.config.client_keys
    assert watched.loads == 1
    assert not caplog.records


TAKEN_AWAY = {
    "": "no longer sets anything",
    "# all of it is a comment\n": "no longer sets anything",
    "vast: {endpoint: my-endpoint}\n": "no longer sets clients, routes",
    OLD.partition("routes")[0]: "no longer sets routes",
}


@pytest.mark.parametrize("text", TAKEN_AWAY)
def test_what_takes_sections_away_is_believed_at_a_second_look(
    text: str, watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.write(OLD)
    assert watched.refresh()
    old = watched.watch.config
    watched.path.write_text(text)
    assert watched.refresh() is False
    assert watched.watch.config is old
    assert not watched.watch.awaited
    (warning,) = warnings(caplog)[1:]
    assert TAKEN_AWAY[text] in warning
    assert "stays in force" in warning
    assert watched.watch.refresh() is False
    watched.now += CONFIRMED
    assert watched.watch.refresh() is True
    assert watched.watch.config.routes == ()


def test_an_empty_file_is_believed_at_a_second_look_at_the_start_too(watched: Watched) -> None:
    watched.path.write_text("")
    assert watched.refresh() is False
    assert "sets nothing" in watched.watch.problem
    assert watched.refresh(CONFIRMED) is True
    assert watched.watch.problem == ""


def test_a_key_file_that_is_being_written_leaves_the_key_in_force(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("first-key-0123456789")
    watched.write(f"vast: {{api_key: 'file:{key_file}', endpoint: e}}")
    assert watched.refresh()
    new = "second-key-0123456789"
    for end in range(len(new)):
        key_file.write_text(new[:end])
        assert watched.watch.refresh() is False
        assert watched.watch.config.api_key == Secret("first-key-0123456789")
    key_file.write_text(new)
    assert watched.refresh()
    assert watched.watch.config.api_key == Secret(new)

    key_file.write_text("")
    assert watched.refresh() is False
    assert watched.watch.config.api_key == Secret(new)
    assert "There is no Vast API key any more" in caplog.text
    assert watched.refresh(CONFIRMED) is True
    assert watched.watch.config.api_key is None


def test_a_new_key_file_is_not_read_while_it_is_being_written(
    watched: Watched, tmp_path: Path
) -> None:
    watched.write(OLD)
    assert watched.refresh()
    key_file = tmp_path / "key"
    watched.write(OLD.replace("endpoint: my", f"api_key: file:{key_file}\n  endpoint: my"))
    key = "the-key-0123456789"
    for end in range(1, len(key)):
        key_file.write_text(key[:end])
        assert watched.watch.refresh() is False
        watched.now += SETTLED if end == 1 else SETTLED / 2
        assert watched.watch.refresh() is False
    key_file.write_text(key)
    assert watched.refresh() is True
    assert watched.watch.config.api_key == Secret(key)


def test_a_key_from_a_pipe_is_read_once(tmp_path: Path) -> None:
    """A pipe has it once, such as a shell's `<(pass show vast)`."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"the-key-0123456789")
    os.close(write_end)
    watched = Watched(tmp_path / "vast.yaml")
    watched.write(f"vast: {{api_key: 'file:/dev/fd/{read_end}', endpoint: e}}")
    try:
        assert watched.refresh()
        assert not watched.refresh()
    finally:
        os.close(read_end)
    assert watched.watch.config.api_key == Secret("the-key-0123456789")


def test_calls_wait_for_a_change_only_for_a_moment(watched: Watched) -> None:
    watched.write(OLD)
    assert watched.refresh()
    end = watched.now + AWAITED
    while watched.now < end:
        watched.path.write_text(f"{NEW}# {watched.now}")
        watched.watch.refresh()
        assert watched.watch.awaited
        watched.now += SETTLED / 2
    watched.path.write_text(NEW)
    watched.watch.refresh()
    assert not watched.watch.awaited
    assert watched.watch.pending


def machines(**files: Path) -> str:
    """A configuration with a machine of each name, whose key is in the file."""
    boxes = {
        name: {"url": "https://203.0.113.7", "api_key": f"file:{file}"}
        for name, file in files.items()
    }
    return yaml.safe_dump({"vast": {"endpoint": "one"}, "endpoints": boxes})


def test_keys_of_machines_are_read_again_as_vast_s(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = tmp_path / "one.key", tmp_path / "two.key"
    for file in (one, two):
        file.write_text(f"{file.stem}-0123456789abcdef")
    watched.write(machines(one=one, two=two))
    assert watched.refresh() is True

    def keys() -> list[Secret | None]:
        watched.refresh()
        return [each.api_key for each in watched.watch.config.machines.values()]

    assert keys() == [Secret("one-0123456789abcdef"), Secret("two-0123456789abcdef")]
    two.write_text("rotated-0123456789abcdef")
    assert keys() == [Secret("one-0123456789abcdef"), Secret("rotated-0123456789abcdef")]
    one.write_text("")  # as one that is being written
    assert keys()[0] == Secret("one-0123456789abcdef")
    assert "no key for the machine 'one'" in warnings(caplog)[-1]
    watched.refresh(after=CONFIRMED)
    assert keys() == [None, Secret("rotated-0123456789abcdef")]


def test_a_machine_that_is_gone_is_believed_at_a_second_look(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Else a half-written file had calls sent to an endpoint of Vast's with the machine's name."""
    key = tmp_path / "key"
    key.write_text("one-0123456789abcdef")
    watched.write(machines(one=key, two=key))
    assert watched.refresh() is True
    watched.write(machines(one=key))
    assert watched.refresh() is False
    assert list(watched.watch.config.machines) == ["one", "two"]
    assert "no longer has the machine 'two'" in warnings(caplog)[-1]
    assert watched.refresh(after=CONFIRMED) is True
    assert list(watched.watch.config.machines) == ["one"]
