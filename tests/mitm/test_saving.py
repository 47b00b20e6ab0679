"""Flows are saved whole or not at all, and saving goes on once it can; with a real file."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy.addons.save import Save
from mitmproxy.io import FlowReader
from mitmproxy.test import taddons, tflow

from vast_intercept.mitm.saving import SteadySave, keep_going


class Clock:
    now = 1_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def saving(clock: Clock) -> Iterator[taddons.context]:
    del clock
    with taddons.context(Save()) as context:
        keep_going(context.master.addons)
        yield context
        addon(context).done()


def addon(saving: taddons.context) -> SteadySave:
    found = saving.master.addons.get("save")
    assert isinstance(found, SteadySave)
    return found


def save(saving: taddons.context, path: str) -> None:
    flow = tflow.tflow(resp=True)
    flow.request.path = path
    addon(saving).request(flow)
    addon(saving).response(flow)


def saved(file: Path) -> list[str]:
    with file.open("rb") as opened:
        return [flow.request.path for flow in FlowReader(opened).stream()]  # type: ignore[attr-defined]


def test_a_file_has_each_flow_at_once(saving: taddons.context, tmp_path: Path) -> None:
    file = tmp_path / "flows"
    saving.configure(addon(saving), save_stream_file=str(file))
    for number in range(3):
        save(saving, f"/{number}")
        assert saved(file) == [f"/{each}" for each in range(number + 1)]


def test_what_was_there_before_stays(saving: taddons.context, tmp_path: Path) -> None:
    file = tmp_path / "flows"
    for path in ("/1", "/2"):
        saving.configure(addon(saving), save_stream_file=f"+{file}")
        save(saving, path)
        saving.configure(addon(saving), save_stream_file=None)
        assert addon(saving).stream is None
    assert saved(file) == ["/1", "/2"]


def test_the_filter_holds(saving: taddons.context, tmp_path: Path) -> None:
    file = tmp_path / "flows"
    options = {"save_stream_file": str(file), "save_stream_filter": "~u yes"}
    saving.configure(addon(saving), **options)
    for path in ("/yes", "/no"):
        save(saving, path)
    assert saved(file) == ["/yes"]


def test_what_has_not_ended_is_saved_at_the_end(saving: taddons.context, tmp_path: Path) -> None:
    file = tmp_path / "flows"
    saving.configure(addon(saving), save_stream_file=str(file))
    addon(saving).request(tflow.tflow())
    addon(saving).done()
    assert saved(file) == ["/path"]


def test_a_next_file_that_cannot_be_made_is_made_later(
    saving: taddons.context, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-w` with a time in its name opens another file now and then."""
    saving.configure(addon(saving), save_stream_file=str(tmp_path / "first"))
    save(saving, "/1")
    in_the_way = tmp_path / "folder"
    in_the_way.touch()
    monkeypatch.setattr(
        "mitmproxy.addons.save._path", lambda _: str(tmp_path / "folder" / "second")
    )
    save(saving, "/2")
    assert "Flows are not saved" in addon(saving).trouble
    in_the_way.unlink()
    save(saving, "/3")
    assert addon(saving).trouble  # it is not tried all the time
    clock.now += 2.1
    save(saving, "/4")
    assert addon(saving).trouble == ""
    assert saved(tmp_path / "first") == ["/1"]
    assert saved(tmp_path / "folder" / "second") == ["/4"]


def test_a_file_that_is_no_file_is_written_to_as_ever(
    saving: taddons.context, tmp_path: Path
) -> None:
    saving.configure(addon(saving), save_stream_file="/dev/null")
    save(saving, "/1")
    assert addon(saving).trouble == ""
    saving.configure(addon(saving), save_stream_file="/dev/full")
    save(saving, "/1")
    assert "No space left on device" in addon(saving).trouble
