"""A file of flows that grows by whole flows, and by nothing else."""

import io
import os
import resource
import stat
from pathlib import Path

import pytest
from mitmproxy.io import FlowReader, FlowWriter
from mitmproxy.test import tflow

from vast_intercept.mitm.flow_writing import FileFullError, FlowFile, FlowFileError, bytes_of

LIMIT = 1_000_000


def flow(path: str = "/v1/models") -> bytes:
    """A flow as a file has it."""
    made = tflow.tflow(resp=True)
    made.request.path = path
    return bytes_of(made.get_state())


def paths_in(path: Path) -> list[str]:
    """What mitmproxy's own reader finds."""
    with path.open("rb") as file:
        return [each.request.path for each in FlowReader(file).stream()]  # type: ignore[attr-defined]


def test_a_flow_is_written_as_mitmproxy_writes_it() -> None:
    """FACTS M70."""
    for made in (tflow.tflow(resp=True), tflow.tflow(err=True), tflow.twebsocketflow()):
        made.metadata = {"vast": {"url": "é", "tokens": 1, "seconds": 0.5, "parts": ["a", None]}}
        theirs = io.BytesIO()
        FlowWriter(theirs).add(made)
        assert bytes_of(made.get_state()) == theirs.getvalue()
        assert theirs.getvalue().endswith(b"}")


def test_what_follows_a_cut_flow_is_lost_to_mitmproxys_reader(tmp_path: Path) -> None:
    """FACTS M70."""
    path = tmp_path / "flows"
    path.write_bytes(flow("/1") + flow("/cut")[:-9] + flow("/2"))
    found = []
    with path.open("rb") as file, pytest.raises(Exception, match="Invalid data format"):
        found.extend(FlowReader(file).stream())
    assert len(found) == 1


@pytest.mark.parametrize("option", ["{}", "+{}"])
def test_a_new_file_is_its_owners_alone(option: str, tmp_path: Path) -> None:
    path = tmp_path / "flows"
    before = os.umask(0)
    try:
        file = FlowFile.open(option.format(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for number in range(3):
        file.append(flow(f"/{number}"), LIMIT)
        assert paths_in(path) == [f"/{each}" for each in range(number + 1)]  # while it is open
    assert file.size == path.stat().st_size
    file.close()
    assert len(paths_in(path)) == 3


def test_a_file_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "flows"
    content = flow()
    path.write_bytes(content)
    with pytest.raises(FlowFileError, match=rf"exists already\. .* append to it with \+{path}"):
        FlowFile.open(str(path))
    assert path.read_bytes() == content


def test_what_others_could_read_before_is_its_owners_alone_once_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "flows"
    path.write_bytes(flow())
    path.chmod(0o644)
    FlowFile.open(f"+{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_with_a_plus_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "flows"
    path.write_bytes(flow("/1") + flow("/2"))
    file = FlowFile.open(f"+{path}")
    file.append(flow("/3"), LIMIT)
    file.close()
    assert paths_in(path) == ["/1", "/2", "/3"]
    assert file.cut == 0


@pytest.mark.parametrize("left", [1, 2, 7, 30, 200])
@pytest.mark.parametrize("before", [b"", flow("/1")], ids=["alone", "after another"])
def test_a_flow_that_is_cut_is_taken_off(left: int, before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "flows"
    cut = flow("/2")[:-left]
    path.write_bytes(before + cut)
    file = FlowFile.open(f"+{path}")
    assert file.cut == len(cut)
    file.append(flow("/3"), LIMIT)
    file.close()
    assert paths_in(path) == ["/1", "/3"][not before :]


@pytest.mark.parametrize(
    "content",
    [
        b"a text of mine\n",
        b"12:30 is a time\n",
        b'{"log": {"entries": []}}',
        b"999999999999:a text of mine",
        flow() + b"and a note of mine",
        flow()[:-1] + b"]" + flow(),
    ],
)
def test_a_file_with_anything_else_is_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "flows"
    path.write_bytes(content)
    with pytest.raises(FlowFileError, match=r"has something in it that is not a flow, from byte"):
        FlowFile.open(f"+{path}")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "why"), [("missing/flows", "No such file or directory"), (".", "Is a directory")]
)
def test_what_cannot_be_opened_is_told(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(FlowFileError, match=why):
        FlowFile.open(f"+{tmp_path / name}")


def test_two_do_not_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "flows"
    first = FlowFile.open(str(path))
    with pytest.raises(FlowFileError, match="is being recorded to already"):
        FlowFile.open(f"+{path}")
    first.append(flow(), LIMIT)
    first.close()
    FlowFile.open(f"+{path}").close()
    assert len(paths_in(path)) == 1


def test_a_file_that_got_nothing_is_not_left_behind(tmp_path: Path) -> None:
    FlowFile.open(str(tmp_path / "new")).close()
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "of-mine"
    path.touch()
    FlowFile.open(f"+{path}").close()
    assert path.exists()


def test_what_does_not_fit_is_taken_off_again(tmp_path: Path) -> None:
    """Such as on a disk that is full."""
    path = tmp_path / "flows"
    file = FlowFile.open(str(path))
    file.append(flow("/1"), LIMIT)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.size + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.append(flow("/2"), LIMIT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert paths_in(path) == ["/1"]
    file.append(flow("/3"), LIMIT)
    file.close()
    assert paths_in(path) == ["/1", "/3"]


def test_a_file_that_is_full_takes_no_smaller_flow_either(tmp_path: Path) -> None:
    """Else it would be left to chance which calls a recording has."""
    path = tmp_path / "flows"
    file = FlowFile.open(str(path))
    file.append(flow("/1"), LIMIT)
    for size in (5_000, 1):
        with pytest.raises(FileFullError):
            file.append(flow("/" + size * "x"), file.size + 4_000)
    file.close()
    assert paths_in(path) == ["/1"]
