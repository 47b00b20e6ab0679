"""Which form a file has, what is said of one that has none, and how much memory reading takes."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.io import FlowWriter

from vast_intercept.rehearsal.calls import RecordedCall, Unusable
from vast_intercept.rehearsal.recordings import reading
from vast_intercept.rehearsal.recordings.reading import RecordingError, read_recording

from .files import CHAT, entry, har, read
from .test_flow_file import call


def problem(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        list(read_recording(path))
    assert str(path) in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "FILE is empty."),
        (b" \n\n", "FILE is empty."),
        (b"\x1f\x8b\x08\x00", "FILE is compressed with gzip: decompress it first."),
        (b"PK\x03\x04", "FILE is a ZIP archive: extract it first."),
        ("{}".encode("utf-16"), "FILE is UTF-16 text: save it as UTF-8 first."),
    ],
)
def test_a_file_that_has_nothing_to_read_says_so(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert problem(path) == said


@pytest.mark.parametrize(
    ("content", "har_problem", "lines_problem"),
    [
        (b"hello", "JSON is malformed", "line 1: it is not valid JSON"),
        (b"{}", "missing required field `log`", "none of its first lines is a request"),
        (b'{"log": {"entries": 5}}', "its entries are not a list", "none of its first lines"),
        (b'{"log": {"entries": [{', "truncated", "line 1: it is not valid JSON"),
        (b'{"log": {"x": ' + b"[" * 10_000, "nested too deeply", "nested too deeply"),
        (b"[1, 2]", "Expected `object`", "line 1: it is not a JSON object"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "malformed", "line 1: it is not valid JSON"),
    ],
)
def test_a_file_of_no_form_says_which_were_tried_and_why_each_failed(
    tmp_path: Path, content: bytes, har_problem: str, lines_problem: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    said = problem(path)
    assert said.startswith("FILE is not a recording. It was tried as a flow file of mitmproxy (")
    assert har_problem in said.partition("as HAR")[2].partition("as JSON lines")[0]
    assert lines_problem in said.partition("as JSON lines")[2]


def test_what_is_no_file_says_so(tmp_path: Path) -> None:
    assert problem(tmp_path) == "FILE is a folder, and a recording is a file."
    assert problem(tmp_path / "none") == "FILE cannot be read: No such file or directory."
    assert "null" in problem(tmp_path / "a\0b")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert problem(pipe) == "FILE is not a regular file, and a recording is a file."


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(0)
    assert problem(path) == "FILE cannot be read: Permission denied."


def test_a_har_that_is_too_large_says_what_the_limit_is(tmp_path: Path) -> None:
    path = tmp_path / "calls.har"
    path.write_bytes(har(entry()).encode())
    os.truncate(path, 64 * 1024 * 1024 + 1)
    assert "it is larger than 64 MiB" in problem(path)


def test_calls_to_a_provider_that_is_not_taken_over_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    path.write_text(json.dumps(CHAT), "utf-8")
    (told,) = read_recording(path, [])
    assert isinstance(told, Unusable)
    assert told.why == (
        "They go to hosts that are not taken over: api.openai.com. List those under `providers` in"
        " the configuration that are to be."
    )


def test_a_har_on_one_line_is_no_json_line(tmp_path: Path) -> None:
    assert read(tmp_path / "calls", har(entry()))[0].place == "entry 1"


def test_of_very_many_bad_parts_the_last_are_told_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_TOLD", 2)
    line = json.dumps(CHAT)
    found = read(tmp_path / "calls", "\n".join([line, *["x"] * 5, line]))
    assert [each.place for each in found] == ["line 1", "line 2", "line 3", "line 7", "3 more"]


@given(st.binary(max_size=300))
def test_any_file_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, any_: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "any"
    path.write_bytes(any_)
    try:
        found = list(read_recording(path))
    except RecordingError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert all(isinstance(each, RecordedCall | Unusable) for each in found)


# Prints how many calls each file has, and the most KiB of memory that the process had by then.
# Not `ru_maxrss`: a new process begins with that of its parent.
_READER = """
import sys
from pathlib import Path
from vast_intercept.rehearsal.recordings.reading import read_recording
for path in sys.argv[1:]:
    print(sum(hasattr(each, "digest") for each in read_recording(Path(path))))
    print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it takes Linux to tell how much memory it was")
def test_large_recordings_are_read_in_bounded_memory(tmp_path: Path) -> None:
    flows, lines, archive = (tmp_path / name for name in ("flows", "lines", "har"))
    body = json.dumps(CHAT | {"user": "x" * 40_000}).encode()
    flow = io.BytesIO()
    FlowWriter(flow).add(call(body))
    for path, content in ((flows, flow.getvalue()), (lines, body + b"\n")):
        with path.open("wb") as out:
            out.writelines([content] * 2_500)
    # Each character takes four bytes in memory, because of one that needs them.
    text = "\U0001f600" + "x" * (15 * 1024 * 1024)
    large = json.dumps(entry(response__content__text=text), ensure_ascii=False)
    archive.write_text(f'{{"log": {{"entries": [{", ".join([large] * 4)}]}}}}', "utf-8")
    assert flows.stat().st_size > 100_000_000
    assert archive.stat().st_size > 60_000_000

    shown = subprocess.run(
        [sys.executable, "-c", _READER, lines, flows, archive],
        check=True,
        capture_output=True,
        text=True,
    )
    calls, most = (list(map(int, shown.stdout.split()[each::2])) for each in (0, 1))
    assert calls == [2_500, 2_500, 4]
    assert most[0] < most[1] < 150 * 1024
    assert most[2] < 300 * 1024
