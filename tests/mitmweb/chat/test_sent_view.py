"""What Vast was asked, as a view that one chooses."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.contentviews import Metadata
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader, FlowWriter

from vast_intercept.mitmweb.chat.contentview import ChatContentview
from vast_intercept.mitmweb.chat.sent_view import SentContentview
from vast_intercept.mitmweb.notes import begin_notes
from vast_intercept.mitmweb.retention import _body_bytes
from vast_intercept.mitmweb.sent import SENT, keep_sent, sent_of

from .recorded import flow_of, metadata_of

CHAT = ChatContentview()
VIEW = SentContentview(CHAT)
ASKED = b'{"model":"gpt-5","input":"Go on.","previous_response_id":"resp_1"}'
SENT_BODY = b'{"model":"","messages":[{"role":"user","content":"Hello."}]}'


def call(**noted: Any) -> HTTPFlow:
    return flow_of(ASKED, b'{"output": []}', path="/v1/responses", operation="responses", **noted)


def shown(flow: HTTPFlow) -> str:
    return VIEW.prettify(flow.request.content or b"", metadata_of(flow, flow.request))


def test_shows_what_was_sent_with_the_history_in_it() -> None:
    flow = call(outcome="ok", attempts=1, endpoint="big-one")
    keep_sent(flow, SENT_BODY)
    text = shown(flow)
    assert text.startswith(f"chat/completions, {len(SENT_BODY)} bytes, for big-one\n \n{{\n")
    assert json.loads(text.partition("\n \n")[2]) == json.loads(SENT_BODY)


def test_is_never_chosen_by_itself() -> None:
    flow = call()
    keep_sent(flow, SENT_BODY)
    assert VIEW.render_priority(ASKED, metadata_of(flow, flow.request)) < 0


def test_shows_answers_as_the_chat_view_does() -> None:
    answer = b'{"output": [{"type": "message", "content": "Hello."}]}'
    flow = flow_of(ASKED, answer, path="/v1/responses", operation="responses")
    metadata = metadata_of(flow, flow.response)
    assert VIEW.prettify(answer, metadata) == CHAT.prettify(answer, metadata)
    assert "Hello." in VIEW.prettify(answer, Metadata())


def test_of_a_call_that_needs_no_conversion_the_body_is_made_again() -> None:
    body = b'{"model":"gpt-4o","suffix":"","messages":[]}'
    flow = flow_of(body, b"", operation="chat/completions", outcome="ok", attempts=1)
    assert json.loads(shown(flow).partition("\n \n")[2]) == {"model": "", "messages": []}


def test_of_a_listed_operation_it_is_shown_as_that() -> None:
    body = b'{"model":"text-embedding-3-small","input":"a fleet"}'
    noted = {"operation": "embeddings", "outcome": "ok", "attempts": 1, "endpoint": "embedder"}
    flow = flow_of(body, b"", path="/v1/embeddings", **noted)
    head, _, sent = shown(flow).partition("\n \n")
    assert head.startswith("embeddings, ")
    assert head.endswith(" bytes, for embedder")
    made = json.loads(sent)
    assert made["input"] == "a fleet"
    assert not made.get("model")
    flow = flow_of(body, b"", path="/v1/embeddings", operation="embeddings", outcome="refused")
    assert shown(flow) == "Nothing was sent to Vast."


def test_of_an_upload_the_base64_is_shortened() -> None:
    noted = {"operation": "audio/transcriptions", "attempts": 1, "endpoint": "whisper"}
    flow = flow_of(b"--xx--", b"", path="/v1/audio/transcriptions", **noted)
    assert shown(flow).startswith("It is not known what was sent: a server without")
    keep_sent(flow, b'{"file":"UklG\xe2\x80\xa6[+9000 characters]","language":"de"}')
    head, _, sent = shown(flow).partition("\n \n")
    assert head == "audio/transcriptions, base64 shortened, for whisper"
    assert json.loads(sent) == {"file": "UklG…[+9000 characters]", "language": "de"}


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        ({"outcome": "refused"}, "Nothing was sent to Vast."),
        ({"outcome": "ok", "attempts": 1}, "It is not known what was sent to Vast"),
        ({}, "It is not known what was sent to Vast"),
    ],
    ids=["refused", "not-kept", "running"],
)
def test_says_why_there_is_nothing(noted: dict[str, Any], said: str) -> None:
    assert shown(call(**noted)).startswith(said)
    assert shown(flow_of(ASKED, b"")) == "This is no call that was made for Vast."


@pytest.mark.parametrize("operation", ["responses", "chat/completions"])
def test_a_provider_got_the_apps_own_request(operation: str) -> None:
    noted = {"operation": operation, "provider": "openai", "endpoint": "openai", "attempts": 1}
    flow = flow_of(b'{"messages": [], "input": ""}', b"", **noted)
    assert shown(flow).startswith("The call went to its provider")


def test_an_edited_request_was_never_sent() -> None:
    flow = call(outcome="ok", attempts=1)
    keep_sent(flow, SENT_BODY)
    flow.request.content = b'{"input":"edited"}'
    assert "was edited since" in shown(flow)
    assert sent_of(flow) is None


def test_is_in_files_and_is_forgotten_by_a_replay() -> None:
    flow = call()
    keep_sent(flow, SENT_BODY)
    file = io.BytesIO()
    FlowWriter(file).add(flow)
    file.seek(0)
    [loaded] = FlowReader(file).stream()
    assert isinstance(loaded, HTTPFlow)
    assert sent_of(loaded) == SENT_BODY
    begin_notes(loaded)
    assert sent_of(loaded) is None


def test_counts_as_one_of_the_bodies_that_are_kept() -> None:
    flow = call()
    before = _body_bytes(flow)
    keep_sent(flow, SENT_BODY)
    assert _body_bytes(flow) == before + len(SENT_BODY)


def test_of_a_large_one_the_beginning_is_shown() -> None:
    flow = call()
    keep_sent(flow, b'{"messages":"' + b"x" * 2_000_000 + b'"}')
    assert len(shown(flow)) < 70_000


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    ANYTHING | st.fixed_dictionaries({"body": ANYTHING, "made_of": ANYTHING}),
    ANYTHING | st.dictionaries(st.sampled_from(["operation", "endpoint", "outcome"]), ANYTHING),
    st.binary(),
)
def test_never_fails_whatever_a_file_says(kept: Any, noted: Any, data: bytes) -> None:
    flow = flow_of(data, data)
    flow.metadata |= {SENT: kept, "vast": noted}
    for message in (flow.request, flow.response, None):
        assert isinstance(VIEW.prettify(data, metadata_of(flow, message)), str)


@given(st.binary())
def test_never_fails_on_a_body_of_any_kind(body: bytes) -> None:
    flow = call()
    keep_sent(flow, body)
    assert shown(flow)
