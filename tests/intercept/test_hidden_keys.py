"""A flow shows no key, and what is sent is what came."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.proxy.layers.http._events import RequestHeaders, ResponseData, ResponseHeaders
from mitmproxy.test import tflow, tutils

from vast_intercept.intercept.hidden_keys import HiddenKeys
from vast_intercept.mitm import wire

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"


def flow_with(*fields: tuple[bytes, bytes], path: bytes = b"/v1/x") -> http.HTTPFlow:
    flow = tflow.tflow(resp=tutils.tresp())
    flow.request.headers.fields = fields
    flow.request.data.path = path
    return flow


def sent_of(flow: http.HTTPFlow) -> http.Request:
    event = wire.masked_in(flow).sent(RequestHeaders(1, flow.request, end_stream=False))
    assert isinstance(event, RequestHeaders)
    return event.request


FIELD = st.tuples(
    st.sampled_from([b"Authorization", b"authorization", b"x-api-key", b"X-Other", b"bad name"]),
    st.sampled_from(
        [b"Bearer " + KEY.encode(), KEY.encode(), b"Bearer ***wxyz", b"x", b"\xff" * 20]
    ),
)
PATH = st.lists(
    st.sampled_from(
        [
            "?",
            "&key=",
            ";token=",
            f"/{KEY}",
            f"?a&key={KEY}",
            "***wxyz",
            "/",
            "%2F",
            "x",
            "\udcff",
            ";",
        ]
    )
).map(lambda pieces: f"/v1/{''.join(pieces)}".encode("utf-8", "surrogateescape"))


@given(st.lists(FIELD), PATH)
def test_what_is_sent_is_what_came(fields: list[tuple[bytes, bytes]], path: bytes) -> None:
    flow = flow_with(*fields, path=path)
    hiding = HiddenKeys(flow)
    hiding.request(flow)
    hiding.request(flow)
    assert KEY[:-4] not in repr(flow.get_state())
    sent = sent_of(flow)
    assert (sent.headers.fields, sent.data.path) == (tuple(fields), path)
    # Once: a replay of the flow has no key.
    assert KEY[:-4] not in repr(sent_of(flow).get_state())


def test_what_another_addon_takes_out_is_not_sent_and_what_it_puts_in_is() -> None:
    flow = flow_with((b"authorization", f"Bearer {KEY}".encode()), (b"x-api-key", b"abcdefgh"))
    HiddenKeys(flow).request(flow)
    flow.request.headers["authorization"] = "Bearer another"
    del flow.request.headers["x-api-key"]
    assert sent_of(flow).headers.fields == ((b"authorization", b"Bearer another"),)


def test_a_key_goes_along_where_another_addon_changes_the_path() -> None:
    flow = flow_with(path=f"/v1/x?key={KEY}&a=b".encode())
    HiddenKeys(flow).request(flow)
    flow.request.path = flow.request.path.replace("/v1/x", "/v2/y")
    assert sent_of(flow).path == f"/v2/y?key={KEY}&a=b"


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("streamed", [False, True])
def test_what_the_provider_repeats_is_hidden_and_sent(coding: str, streamed: bool) -> None:
    flow = flow_with((b"authorization", b"Bearer of-no-form-at-all"))
    hiding = HiddenKeys(flow)
    hiding.request(flow)
    assert flow.response
    told = b"Incorrect API key provided: of-no-form-at-all."
    body = gzip.compress(told) if coding else told
    fields = (
        (b"Set-Cookie", b"session=0123456789abcdefgh"),
        (b"x-said", b"of-no-form-at-all"),
        (b"content-encoding", coding.encode()),
    )
    flow.response.headers.fields = fields
    flow.response.data.content = body
    flow.response.stream = streamed
    hiding.response_head(flow)
    hiding.ended(flow)
    assert flow.response.get_content() == b"Incorrect API key provided: ***-all."
    assert b"form" not in repr(flow.get_state()).encode()
    assert "0123" not in flow.response.headers["set-cookie"]
    masked = wire.masked_in(flow)
    head = masked.sent(ResponseHeaders(1, flow.response))
    assert isinstance(head, ResponseHeaders)
    assert head.response.headers.fields == fields
    data = masked.sent(ResponseData(1, flow.response.data.content))
    assert isinstance(data, ResponseData)
    assert (data.data == body) is not streamed


def test_rubbish_from_the_provider_stays_as_it_is() -> None:
    flow = flow_with((b"authorization", b"Bearer of-no-form-at-all"))
    hiding = HiddenKeys(flow)
    hiding.request(flow)
    assert flow.response
    for coding in ("gzip", "br", "no-such"):
        flow.response.headers.fields = ((b"content-encoding", coding.encode()),)
        flow.response.data.content = b"rubbish"
        hiding.ended(flow)
        assert flow.response.data.content == b"rubbish"
