"""What a recording has of a call: all but its keys."""

import gzip
import io
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.io import FlowReader
from mitmproxy.net.encoding import encode
from mitmproxy.test import tflow

from vast_intercept.config import load_config
from vast_intercept.intercept.recorded_call import (
    EndedCall,
    NotRecordedError,
    as_recorded,
    configured_keys,
    keys_of_environment,
)
from vast_intercept.relay.memory import Memory, Share
from vast_intercept.secret import Secret, Secrets

KEY = "sk-app-0123456789abcdefghijklmnopqrstuvwxyz"
OTHER = "another+key/of=mine"


def ended(
    flow: http.HTTPFlow, request: bytes | None, answer: bytes | None, *keys: str
) -> EndedCall:
    """A call that has ended. Its bodies came in pieces."""
    secrets = Secrets()
    secrets.add(*map(Secret, keys))
    pieces = [
        None if body is None else [body[:5], body[5:9], b"", body[9:]] for body in (request, answer)
    ]
    return EndedCall(
        state=flow.get_state(),
        operation="chat/completions",
        request=pieces[0],
        answer=pieces[1],
        keys=secrets,
        share=Share(Memory()),
    )


def read(content: bytes) -> http.HTTPFlow:
    """The flow, as mitmproxy reads it."""
    (flow,) = FlowReader(io.BytesIO(content)).stream()
    assert isinstance(flow, http.HTTPFlow)
    return flow


def a_flow(**headers: str) -> http.HTTPFlow:
    """A call that was answered."""
    flow = tflow.tflow(resp=True)
    assert flow.response
    for message in (flow.request, flow.response):
        for name, value in headers.items():
            message.headers[name.replace("_", "-")] = value
    return flow


def test_bodies_are_whole_and_without_keys() -> None:
    said = b'{"error": "Incorrect API key provided: ' + KEY.encode() + b'"}'
    asked = b'{"tools": ["' + OTHER.encode() + b'"], "text": "' + KEY.encode() + b'"}'
    flow = read(as_recorded(ended(a_flow(), asked, said, KEY, OTHER)))
    assert flow.request.content == b'{"tools": ["***mine"], "text": "***wxyz"}'
    assert flow.response
    assert flow.response.content == b'{"error": "Incorrect API key provided: ***wxyz"}'


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_body_stays_so(coding: str) -> None:
    bodies = [f'{{"text": "{word}", "key": "{KEY}"}}'.encode() for word in ("asked", "said")]
    coded = [encode(body, coding) for body in bodies]
    flow = read(as_recorded(ended(a_flow(content_encoding=coding), *coded, KEY)))
    assert flow.response
    for message, word in ((flow.request, "asked"), (flow.response, "said")):
        assert message.headers["content-encoding"] == coding
        assert message.content == f'{{"text": "{word}", "key": "***wxyz"}}'.encode()


def test_a_compressed_body_without_a_key_is_the_same_bytes() -> None:
    coded = gzip.compress(b'{"text": "hello"}', mtime=7)
    flow = read(as_recorded(ended(a_flow(content_encoding="gzip"), coded, coded, KEY)))
    assert flow.request.raw_content == coded


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", b"no gzip"), ("rot13", b"uryyb"), ("gzip", gzip.compress(b"x" * 100)[:-20])],
)
def test_a_body_that_cannot_be_searched_for_keys_is_not_kept(coding: str, body: bytes) -> None:
    flow = a_flow(content_encoding=coding)
    with pytest.raises(NotRecordedError, match="cannot be searched for keys"):
        as_recorded(ended(flow, body, b"", KEY))
    with pytest.raises(NotRecordedError, match="cannot be searched for keys"):
        as_recorded(ended(flow, b"", body, KEY))
    flow.error = tflow.terr("Client disconnected.")
    recorded = read(as_recorded(ended(flow, b"", body, KEY)))  # its answer broke off
    assert recorded.response
    assert recorded.response.raw_content is None
    assert recorded.error
    assert recorded.error.msg == "Client disconnected."


def test_the_flow_is_searched_as_a_whole() -> None:
    flow = a_flow(x_odd=KEY)
    assert flow.response
    flow.request.path = f"/v1/files/{KEY}"
    flow.response.reason = f"No {KEY}"
    flow.comment = KEY
    flow.metadata = {"vast": {"url": f"https://host/{KEY}", "more": [KEY, 1, None]}, "raw": b"\xff"}
    flow.error = tflow.terr(f"No {KEY}")
    flow.backup()
    flow.request.path = "/v1/files"
    content = as_recorded(ended(flow, None, None, KEY))
    assert KEY.encode() not in content
    assert read(content).metadata["vast"]["more"] == ["***wxyz", 1, None]
    assert not read(content).modified()


def test_messages_of_a_websocket_are_searched() -> None:
    flow = tflow.twebsocketflow()
    assert flow.websocket
    flow.websocket.messages[0].content = b"I am " + KEY.encode()
    content = as_recorded(ended(flow, b"", None, KEY))
    assert KEY.encode() not in content
    recorded = read(content)
    assert recorded.websocket
    assert recorded.websocket.messages[0].content == b"I am ***wxyz"
    assert len(recorded.websocket.messages) == len(flow.websocket.messages)


def test_a_path_that_is_no_unicode_can_be_recorded() -> None:
    flow = a_flow()
    flow.request.data.path = b"/v1/\xff"
    flow.metadata = {"vast": {"url": "https://host/v1/\udcff"}}
    assert read(as_recorded(ended(flow, b"", b"", KEY))).metadata["vast"]["url"].startswith("https")


@given(
    st.lists(st.sampled_from([KEY, OTHER, KEY[:-1], "text", "\n", "é", "data: "]), max_size=12),
    st.sampled_from(["", "gzip", "br"]),
)
def test_wherever_a_key_stands_it_is_not_recorded(parts: list[str], coding: str) -> None:
    body = "".join(parts).encode()
    coded = encode(body, coding) if coding else body
    flow = a_flow(**({"content_encoding": coding} if coding else {}))
    recorded = read(as_recorded(ended(flow, coded, coded, KEY, OTHER)))
    assert recorded.response
    expected = body.replace(KEY.encode(), b"***wxyz").replace(OTHER.encode(), b"***mine")
    assert recorded.request.content == recorded.response.content == expected


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, []),
        ({"OPENAI_API_KEY": KEY}, [KEY]),
        ({"MY_SECRET": f" {OTHER}\n"}, [OTHER]),
        ({"GITHUB_TOKEN": "ghp-0123456789"}, ["ghp-0123456789"]),
        ({"DB_PASSWORD": "correct-horse"}, ["correct-horse"]),
        ({"API_KEY_2": "0123456789ab"}, ["0123456789ab"]),
        ({"ANYTHING": KEY}, [KEY]),
        ({"API_KEY": "test"}, []),  # which a prompt may say
        ({"GREETING_KEY": "hello, my dear friends"}, []),
        ({"KEYBOARD_LAYOUT": "us-international"}, []),
        ({"GOOGLE_APPLICATION_CREDENTIALS": __file__}, []),
        ({"A_KEY": KEY, "B_KEY": KEY}, [KEY]),
    ],
)
def test_keys_of_the_environment_are_told_by_name_or_looks(
    environ: Mapping[str, str], found: list[str]
) -> None:
    keys = keys_of_environment(environ)
    assert [key.reveal() for key in keys] == found


def test_keys_of_the_configuration_are_known(tmp_path: Path) -> None:
    path = tmp_path / "vast.yaml"
    path.write_text(
        """
        vast: {endpoint: mine}
        endpoints: {box: {url: "https://192.0.2.1", api_key: "env:BOX"}}
        """
    )
    environ = {"VAST_API_KEY": "vast-0123456789", "BOX": "the-box-has-this"}
    keys = configured_keys(load_config(path, environ))
    assert {key.reveal() for key in keys} == {"vast-0123456789", "the-box-has-this"}
    assert not any(re.search("vast-0|box-has", repr(key)) for key in keys)


@pytest.mark.parametrize("key", ["sk-admin-0123456789abcdefgh", "ek_0123456789abcdefghij"])
def test_keys_that_a_provider_has_made_are_not_recorded(key: str) -> None:
    made = ended(a_flow(), b"{}", f'{{"value": "{key}"}}'.encode())
    for operation, kept in (("organization", b"***"), ("realtime", b"***"), ("images", key)):
        made.operation = operation
        response = read(as_recorded(made)).response
        assert response
        expected = kept.encode() if isinstance(kept, str) else kept
        assert response.content == b'{"value": "' + expected + b'"}'


def test_what_no_file_can_hold_is_left_out() -> None:
    flow = a_flow()
    flow.metadata = {"an addon's": object()}
    with pytest.raises(NotRecordedError, match="notes of an addon"):
        as_recorded(ended(flow, b"", b""))
