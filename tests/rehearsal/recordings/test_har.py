"""Calls read from HAR files: of Chrome, of mitmproxy, and of others."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.test import tflow

from vast_intercept.rehearsal.calls import RecordedCall, Unusable
from vast_intercept.rehearsal.recordings import har as har_file
from vast_intercept.rehearsal.recordings.json_array import objects_in

from .files import ANSWER, CHAT, CHAT_URL, entry, har, read, the_call, why
from .test_flow_file import EVENTS, KEY, call


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.har"


def test_a_call_of_chrome_is_read(path: Path) -> None:
    found = the_call(path, har(entry()))
    assert (found.place, found.method, found.url) == ("entry 1", "POST", CHAT_URL)
    assert json.loads(found.body) == CHAT
    assert found.headers == (("content-type", "application/json"),)
    assert found.time == 1_767_323_045.5
    assert found.answer is not None
    assert json.loads(found.answer.body) == ANSWER
    assert (found.answer.status, found.answer.whole) == (200, True)
    assert (found.answer.duration, found.answer.time_to_first_token) == (1.5, None)


def test_what_a_body_is_may_stand_beside_it_alone(path: Path) -> None:
    made = entry(request__headers=[], request__postData__mimeType="application/json")
    found = the_call(path, har(made))
    assert found.headers == (("content-type", "application/json"),)
    made = entry(request__postData__mimeType="text/plain")
    assert the_call(path, har(made)).headers == (("content-type", "application/json"),)


def test_keys_are_masked(path: Path) -> None:
    made = entry(
        request__url=f"{CHAT_URL}?key={KEY}",
        response__content__text=f"You sent {KEY}.",
        request__postData__text=json.dumps(CHAT | {"user": KEY}),
    )
    assert KEY not in repr(the_call(path, har(made)))


def test_a_stream_has_the_time_of_its_first_byte(path: Path) -> None:
    made = entry(response__headers=[{"name": "Content-Type", "value": "text/event-stream"}])
    answer = the_call(path, har(made)).answer
    assert answer is not None
    assert answer.time_to_first_token == 0.5


@pytest.mark.parametrize("milliseconds", [1e308, 1e12, -5])
def test_times_that_no_call_can_take_are_not_known(path: Path, milliseconds: float) -> None:
    timings = {"wait": milliseconds, "receive": milliseconds}
    answer = the_call(path, har(entry(timings=timings))).answer
    assert answer is not None
    assert answer.duration is None


def test_bodies_in_base64_are_read(path: Path) -> None:
    content = {"size": 3, "text": base64.b64encode(b"\x00\xff\x01").decode(), "encoding": "base64"}
    answer = the_call(path, har(entry(response__content=content))).answer
    assert answer is not None
    assert (answer.body, answer.whole) == (b"\x00\xff\x01", True)


@pytest.mark.parametrize(
    "content", [{"size": 5}, {"size": 5, "text": ""}, {"text": "!", "encoding": "base64"}]
)
def test_an_answer_without_its_body_says_so(path: Path, content: dict[str, Any]) -> None:
    found = the_call(path, har(entry(response__content=content)))
    assert found.answer is not None
    assert (found.answer.body, found.answer.whole) == (b"", False)
    assert found.problem == "The file does not have the body of its answer."


def test_a_request_without_its_body_cannot_be_used(path: Path) -> None:
    made = entry()
    del made["request"]["postData"]
    assert why(path, har(made)) == "The file does not have the body of its request."


def test_a_get_needs_no_body(path: Path) -> None:
    made = entry(request__method="GET", request__url="https://api.openai.com/v1/models")
    del made["request"]["postData"]
    made["request"]["bodySize"] = 0
    assert the_call(path, har(made)).body == b""


def test_a_failed_call_says_why(path: Path) -> None:
    response = {"status": 0, "headers": [], "content": {}, "_error": "net::ERR_ABORTED"}
    found = the_call(path, har(entry(response=response)))
    assert (found.answer, found.problem) == (None, "net::ERR_ABORTED.")


@pytest.mark.parametrize("odd", [{}, {"request": {}}, entry(request__headers=[{"name": 1}])])
def test_an_odd_entry_does_not_take_the_others_with_it(path: Path, odd: Any) -> None:
    first, second, third = read(path, har(entry(), odd, entry()))
    assert isinstance(first, RecordedCall)
    assert isinstance(second, Unusable)
    assert (second.place, second.why[:18]) == ("entry 2", "It cannot be read:")
    assert isinstance(third, RecordedCall)


def test_what_is_no_call_of_a_provider_is_told(path: Path) -> None:
    page = entry(request__url="https://example.com/")
    data = entry(request__url="data:text/plain,x")
    assert [each.why for each in read(path, har(page, data)) if isinstance(each, Unusable)] == [
        "They go to hosts that are no provider's: example.com, data."
    ]
    assert "WebSocket" in why(path, har(entry(_resourceType="websocket")))
    assert "CONNECT" in why(path, har(entry(request__method="CONNECT")))
    assert why(path, har(entry(request__url="https://[x/"))) == "Its URL is not valid."


def test_a_byte_order_mark_is_passed_over(path: Path) -> None:
    assert the_call(path, "\ufeff" + har(entry())).url == CHAT_URL
    assert the_call(path, "\ufeff" + json.dumps(json.loads(har(entry())), indent=2)).url == CHAT_URL


def test_an_entry_that_is_too_large_is_left_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(har_file, "MAX_ENTRY", 5_000)
    large = entry(request__postData__text="x" * 5_000)
    found = read(path, har(entry(), large))
    assert [type(each) for each in found] == [RecordedCall, Unusable]


def of_mitmproxy(*flows: Any) -> str:
    """As mitmproxy's option `hardump` writes it."""
    return json.dumps(SaveHar().make_har(flows), indent=4)


def test_calls_of_mitmproxys_own_har_are_those_of_its_flow_file(path: Path) -> None:
    flow = call(json.dumps(CHAT | {"user": "Zoë 🙂"}, ensure_ascii=False).encode())
    found = the_call(path, of_mitmproxy(flow))
    assert found.body == flow.request.content
    assert found.headers == (("content-type", "application/json"),)
    assert found.answer is not None
    assert flow.response
    assert found.answer.body == flow.response.content
    assert found.answer.duration == 1.5


def test_mitmproxy_writes_streams_as_latin_1_and_they_are_read_as_they_were(path: Path) -> None:
    flow = call()
    assert flow.response
    flow.response.headers["content-type"] = "text/event-stream"
    flow.response.content = EVENTS.replace(b"Hello", "Grüße 🙂".encode())
    content = of_mitmproxy(flow)
    assert "Grüße".encode().decode("latin-1") in json.dumps(json.loads(content), ensure_ascii=False)
    answer = the_call(path, content).answer
    assert answer is not None
    assert answer.body == flow.response.content


def test_an_upload_in_mitmproxys_har_is_read_as_it_was(path: Path) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n\x00\xff\xd8\r\n--x--\r\n'
    flow = call(
        body, path="/v1/audio/transcriptions", content_type="multipart/form-data; boundary=x"
    )
    assert the_call(path, of_mitmproxy(flow)).body == body


def test_mitmproxys_websockets_and_failures_are_told(path: Path) -> None:
    socket = tflow.twebsocketflow()
    socket.request.host, socket.request.port = "api.openai.com", 443
    socket.request.headers["host"] = "api.openai.com"
    socket.request.scheme = "https"
    assert "WebSocket" in why(path, of_mitmproxy(socket))
    failed = call()
    failed.response, failed.error = None, tflow.terr("connection lost")
    found = the_call(path, of_mitmproxy(failed))
    assert (found.answer, found.problem) == (None, "connection lost.")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(_JSON), st.sampled_from([None, 1]))
def test_the_objects_of_an_array_are_found(values: list[Any], indent: int | None) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    found = [json.loads(text[start:end]) for start, end in objects_in(text)]
    assert found == [each for each in values if isinstance(each, list | dict)]


@given(st.lists(_JSON, max_size=5))
def test_any_entries_are_read_or_told(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.har"
    assert all(isinstance(each, Unusable) for each in read(path, har(*values)))
