"""Flow files, whole, cut and damaged, read flow by flow."""

import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import exceptions, http
from mitmproxy.flow import Flow
from mitmproxy.io import FlowReader, FlowWriter, tnetstring
from mitmproxy.test import tflow

from vast_intercept.mitm import flow_files
from vast_intercept.mitm.flow_files import begins_as_flow_file, read_flows


def written(*paths: str) -> bytes:
    file = io.BytesIO()
    for path in paths:
        flow = tflow.tflow(resp=True)
        flow.request.path = path
        FlowWriter(file).add(flow)
    return file.getvalue()


def read(content: bytes) -> Iterator[Flow | str]:
    return read_flows(io.BytesIO(content))


def paths(content: bytes) -> list[str]:
    """The path of each flow, or why it cannot be read."""
    return [
        each if isinstance(each, str) else each.request.path  # type: ignore[attr-defined]
        for each in read(content)
    ]


def test_each_flow_is_read() -> None:
    content = written("/one", "/two", "/three")
    assert begins_as_flow_file(content)
    assert paths(content) == ["/one", "/two", "/three"]


def test_flows_of_other_kinds_are_read() -> None:
    file = io.BytesIO()
    for flow in (tflow.ttcpflow(), tflow.tudpflow(), tflow.tdnsflow(), tflow.twebsocketflow()):
        FlowWriter(file).add(flow)
    kinds = [each.type for each in read(file.getvalue()) if isinstance(each, Flow)]
    assert kinds == ["tcp", "udp", "dns", "http"]


def test_flows_of_an_older_mitmproxy_are_read() -> None:
    state = tflow.tflow(resp=True).get_state()
    state["version"] = 19
    state["client_conn"]["state"] = state["server_conn"]["state"] = 0
    (flow,) = read(tnetstring.dumps(state))
    assert isinstance(flow, http.HTTPFlow)


@pytest.mark.parametrize("missing", [1, 2, 100, 1_000])
def test_of_a_cut_file_what_is_whole_is_read(missing: int) -> None:
    content = written("/one", "/two", "/three")
    assert paths(content[:-missing]) == ["/one", "/two", "The file ends in the middle of it."]


def test_a_cut_at_a_flows_end_is_no_cut() -> None:
    one = written("/one")
    assert paths(one) == ["/one"]
    assert begins_as_flow_file(one)


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_cut_within_a_length_is_told(cut: int) -> None:
    one = written("/one")
    first, *more = paths(one + written("/two")[:cut])
    assert first == "/one"
    assert len(more) == 1
    assert " " in more[0]


def test_a_damaged_flow_does_not_take_the_others_with_it() -> None:
    state = tflow.tflow(resp=True).get_state()
    del state["request"]["headers"]
    content = written("/one") + tnetstring.dumps(state) + written("/three")
    one, why, three = paths(content)
    assert (one, three) == ("/one", "/three")
    assert "cannot read it" in why


def test_a_flow_of_a_newer_mitmproxy_says_so() -> None:
    state = tflow.tflow().get_state()
    state["version"] = 999
    (why,) = paths(tnetstring.dumps(state))
    assert "please update mitmproxy" in why


def test_a_flow_that_is_too_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    content = written("/one", "/" + "x" * 5_000, "/three")
    monkeypatch.setattr(flow_files, "MAX_FLOW", 5_000)
    one, why, three = paths(content)
    assert (one, three) == ("/one", "/three")
    assert "5,000" in why


@pytest.mark.parametrize(
    "inside",
    [
        b"-1:x;",
        b"5:abc;",
        b"2:-1:]",
        b"3:5:a,]",
        b"999999999999:",
        b"x",
        b"".join(b"%d:" % (4 * depth) for depth in range(200, 0, -1)) + b"]" * 200,
    ],
    ids=["negative", "too-long", "negative-within", "too-long-within", "huge", "none", "deep"],
)
def test_lengths_that_do_not_fit_together_are_not_given_to_mitmproxy(inside: bytes) -> None:
    content = b"4:type;" + inside
    assert paths(b"%d:%s}" % (len(content), content)) == ["It is damaged."]


def test_mitmproxys_own_reader_asks_for_as_much_memory_as_a_length_says() -> None:
    class File(io.BytesIO):
        asked = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.asked = max(self.asked, size or 0)
            return super().read(size)

    theirs, ours = File(b"900000000000:4:type;"), File(b"900000000000:4:type;")
    with pytest.raises(exceptions.FlowReadException):
        list(FlowReader(theirs).stream())
    assert theirs.asked == 900_000_000_000
    assert list(read_flows(ours)) == ["The file ends in the middle of it."]
    assert ours.asked < 100


def test_mitmproxys_own_reader_takes_negative_lengths() -> None:
    assert tnetstring.loads(b"9:-4:ab,0:~]") == [b"ab", None]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_told(content: bytes) -> None:
    for each in read(content):
        assert isinstance(each, Flow | str)


_ONE = written("/one")


@given(st.integers(0, len(_ONE) - 1), st.binary(min_size=1, max_size=8))
def test_any_damage_is_read_or_told(at: int, by: bytes) -> None:
    damaged = _ONE[:at] + by + _ONE[at + len(by) :]
    for each in read(damaged + _ONE):
        assert isinstance(each, Flow | str)
