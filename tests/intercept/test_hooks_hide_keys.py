"""Keys are out of a flow before anybody else gets to see it, and still reach whom they are for.

The first hook has to look at the keys (whose call it is, what its provider would be sent), and has
to have them masked by its end, whatever happens to the call. This is the table of what may happen.
"""

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.flow import Error

from vast_intercept.config.watch import ConfigWatch
from vast_intercept.descriptors import Descriptors
from vast_intercept.relay.serving.server import Relay
from vast_intercept.secret import sha256_of

from .in_process import InProcess, Upstream, mitmproxy_with_addon, request_to, sent_on

APP_KEY = "sk-proj-A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6"
OTHER_KEY = "Zy9Xw8Vu7Ts6Rq5Po4Nm3Lk2Ji1Hg0Fe"
VAST_KEY = "vast-Q0w9E8r7T6y5U4i3O2p1A0s9D8f7G6h5"
PERSONS_KEY = "sk-proj-P9e8R7s6O5n4S3k2E1y0Q9r8S7t6U5v4"
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()

CHAT = "/v1/chat/completions"
#: A key in each place where providers look for one.
HEADERS = {
    "authorization": f"Bearer {APP_KEY}",
    "x-api-key": OTHER_KEY,
    "cookie": f"session={OTHER_KEY}",
    "sec-websocket-protocol": f"realtime, openai-insecure-api-key.{OTHER_KEY}",
    "x-note": f"it is {APP_KEY}",
    "content-type": "application/json",
}
QUERY = f"?key={OTHER_KEY}&x={APP_KEY}"

VAST = "to Vast"
PROVIDER = "to the provider"
PASSED_ON = "passed on"
LEFT_ALONE = "left alone"

type Change = Callable[[http.HTTPFlow], None]


def nothing(flow: http.HTTPFlow) -> None:
    del flow


def to(path: str) -> Change:
    """Has the call be another one."""

    def change(flow: http.HTTPFlow) -> None:
        flow.request.path = path

    return change


def answer(flow: http.HTTPFlow) -> None:
    flow.response = http.Response.make(218, b"{}")


def invalid(flow: http.HTTPFlow) -> None:
    flow.error = Error(f"HTTP/1 protocol error: invalid header: b'{APP_KEY}'")


def from_file(flow: http.HTTPFlow) -> None:
    flow.live = False


def with_many_keys(flow: http.HTTPFlow) -> None:
    for number in range(20):
        flow.request.headers[f"x-key-{number}"] = f"{number}{OTHER_KEY}"


def for_another_host(flow: http.HTTPFlow) -> None:
    flow.request.headers["host"] = "api.openai.com"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A call, in which circumstances it comes, and what becomes of it."""

    judged: str
    method: str = "POST"
    host: str = ""
    path: str = CHAT
    config: dict[str, Any] = field(default_factory=dict)
    #: How the flow is before the first hook.
    comes: Change = nothing
    #: What another addon does in its hooks.
    in_requestheaders: Change = nothing
    in_request: Change = nothing
    #: What of our own code fails or says no.
    broken: tuple[type, str, Any] | None = None
    vast_answers: bool = True
    noted: dict[str, str | None] = field(default_factory=dict)


def fails(*args: Any) -> None:
    raise RuntimeError(f"of {APP_KEY}: {args}")


def is_full(descriptors: Descriptors) -> bool:
    del descriptors
    return False


def known_as(name: str, key: str) -> dict[str, Any]:
    return {"clients": {"keys": [{"name": name, "sha256": sha256_of(key)}]}}


PASSING = {"unsupported": "pass"}
FALLBACK = {"routes": [{"model": "*", "endpoint": "e", "fallback": ["provider"]}]}
IS_CHAT: dict[str, str | None] = {"operation": "chat/completions", "provider": "mine"}
IS_IMAGES: dict[str, str | None] = {"operation": "images", "provider": "mine"}
IMAGES = "/v1/images/generations"

CASES = {
    "live, to Vast": Case(judged=VAST, noted=IS_CHAT),
    "refused": Case(path=IMAGES, judged="404 unsupported_endpoint", noted=IS_IMAGES),
    "answered here": Case(method="GET", path="/v1/models", judged="200", noted={"client": None}),
    "a browser's question": Case(method="OPTIONS", judged="204", noted={"operation": None}),
    "passed on": Case(path=IMAGES, config=PASSING, judged=PASSED_ON, noted=IS_IMAGES),
    "passed on, outside of the API": Case(
        method="GET", path="/about", judged=PASSED_ON, noted={"operation": None}
    ),
    "fallback, and Vast answers": Case(config=FALLBACK, judged=VAST),
    "fallback, and Vast does not": Case(config=FALLBACK, vast_answers=False, judged=PROVIDER),
    "a client by name": Case(
        config=known_as("billing", APP_KEY), judged=VAST, noted={"client": "billing"}
    ),
    "an unknown client": Case(
        config=known_as("billing", PERSONS_KEY), judged="401 invalid_api_key", noted=IS_CHAT
    ),
    "an unknown client, to be passed on": Case(
        path=IMAGES,
        config=PASSING | known_as("billing", PERSONS_KEY),
        judged="401 invalid_api_key",
    ),
    "a broken configuration": Case(
        host="https://api.openai.com",
        config={"no_such_section": True},
        judged="500 configuration_invalid",
        noted={"provider": "openai"},
    ),
    "no descriptors": Case(
        broken=(Descriptors, "admit_call", is_full), judged="503 interceptor_overloaded"
    ),
    "no descriptors, to be passed on": Case(
        path=IMAGES,
        config=PASSING,
        broken=(Descriptors, "admit_call", is_full),
        judged="503 interceptor_overloaded",
    ),
    "too many keys": Case(
        path=IMAGES, config=PASSING, comes=with_many_keys, judged="400 request_too_complex"
    ),
    "for another host than its connection": Case(
        comes=for_another_host, judged="421 misdirected_request", noted=IS_CHAT
    ),
    "invalid HTTP": Case(comes=invalid, judged=LEFT_ALONE),
    "loaded from a file": Case(comes=from_file, judged=LEFT_ALONE, noted=IS_CHAT),
    "our code fails at once": Case(
        broken=(ConfigWatch, "refresh", fails), judged="500 internal_error"
    ),
    "our code fails later": Case(broken=(Relay, "prepare", fails), judged="500 internal_error"),
    "edited into one that is refused": Case(
        in_request=to(IMAGES), judged="404 unsupported_endpoint", noted=IS_IMAGES
    ),
    "edited into one that would be passed on": Case(
        in_request=to(IMAGES), config=PASSING, judged="400 edited_call_not_served"
    ),
    "refused, and edited into one for Vast": Case(
        path=IMAGES, in_request=to(CHAT), judged=VAST, noted=IS_CHAT
    ),
    "to be passed on, and edited into one for Vast": Case(
        path=IMAGES, config=PASSING, in_request=to(CHAT), judged=VAST, noted=IS_CHAT
    ),
    "edited by an addon with the headers": Case(
        in_requestheaders=to(IMAGES), judged="404 unsupported_endpoint", noted=IS_IMAGES
    ),
    "answered by another addon": Case(in_request=answer, judged="218", noted=IS_CHAT),
    "answered by another addon with the headers": Case(in_requestheaders=answer, judged="218"),
    "to be passed on, and answered by another addon": Case(
        path=IMAGES, config=PASSING, in_request=answer, judged="218"
    ),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of those who run the interceptor."""
    monkeypatch.setenv("VAST_API_KEY", VAST_KEY)
    monkeypatch.setenv("OPENAI_API_KEY", PERSONS_KEY)


@dataclass
class Place:
    """A mitmproxy in this process, and servers that stand for Vast and for a provider."""

    mitmproxy: InProcess
    vast: Upstream
    provider: Upstream
    provider_url: str


async def place_for(stack: AsyncExitStack, folder: Path, case: Case) -> Place:
    vast, provider = Upstream(), Upstream()
    vast_port = await stack.enter_async_context(vast.running())
    provider_port = await stack.enter_async_context(provider.running())
    url = f"http://127.0.0.1:{provider_port}"
    section = {
        "endpoint": "e",
        "openai_url": f"http://127.0.0.1:{vast_port if case.vast_answers else 1}",
        "timeout": {"total": 1},
    }
    mine = {"name": "mine", "host": "127.0.0.1", "port": provider_port, "prefix": "/v1"}
    config = {"vast": section, "providers": [mine | {"scheme": "http"}]} | case.config
    mitmproxy = await stack.enter_async_context(mitmproxy_with_addon(folder, **config))
    return Place(mitmproxy, vast, provider, url)


def assert_hidden(*states: str) -> None:
    """No part of a key is in what there is to see; but for its end, which tells keys apart."""
    assert states
    for key in (APP_KEY, OTHER_KEY, VAST_KEY, PERSONS_KEY):
        for start in range(len(key) - 9):
            assert not [each for each in states if key[start : start + 6] in each], key


def code_of(response: http.Response) -> str:
    """The status, and the code of an error."""
    try:
        error = json.loads(response.content or b"").get("error", {})
    except ValueError:
        error = {}
    return f"{response.status_code} {error.get('code', '')}".strip()


async def outcome_of(flow: http.HTTPFlow, place: Place) -> str:
    """What becomes of a call whose request has had its hooks: who gets it, or what it gets."""
    if flow.response:
        return code_of(flow.response)
    if not flow.live or flow.error:
        return LEFT_ALONE
    if "x-vast-intercept-call" not in flow.request.headers:
        return PASSED_ON if "vast" in flow.metadata else LEFT_ALONE
    await place.mitmproxy.send(flow)
    assert flow.response
    if place.provider.calls:
        return PROVIDER
    return VAST if place.vast.calls else code_of(flow.response)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_no_key_stays_in_a_flow(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        place = await place_for(stack, tmp_path, case)
        other = place.mitmproxy.other
        other.in_requestheaders, other.in_request = case.in_requestheaders, case.in_request
        url = f"{case.host or place.provider_url}{case.path}{QUERY}"
        flow = request_to(url, case.method, headers=HEADERS, body=BODY)
        sent = flow.request.copy()
        case.comes(flow)
        with monkeypatch.context() as patch:
            if case.broken:
                patch.setattr(*case.broken)
            await place.mitmproxy.begin(flow)
        assert_hidden(*other.states)
        if not (flow.response or flow.error) and flow.live:
            await place.mitmproxy.go_on(flow, BODY)
        outcome = await outcome_of(flow, place)
        assert outcome == case.judged
        assert_hidden(*other.states, repr(flow.get_state()))
        known = flow.metadata.get("vast", {})
        assert {name: known.get(name) for name in case.noted} == case.noted
        if outcome == PASSED_ON:
            goes_on = sent_on(flow)
            assert (goes_on.headers.fields, goes_on.path) == (sent.headers.fields, sent.path)
        for call in place.vast.calls:
            assert call["authorization"] == f"Bearer {VAST_KEY}"
            assert_hidden(repr(call).replace(VAST_KEY, ""))
        if outcome == PROVIDER:
            headers = {name: place.provider.calls[0].get(name) for name in HEADERS}
            assert headers == HEADERS
        if flow.live:
            await place.mitmproxy.end(flow)
        assert_hidden(*other.states)


@pytest.mark.parametrize(
    ("path", "config"),
    [(CHAT, {}), (CHAT, FALLBACK), (IMAGES, {}), (IMAGES, PASSING)],
    ids=["to Vast", "with a fallback", "refused", "passed on"],
)
async def test_no_key_stays_where_the_body_goes_on_as_it_comes(
    path: str, config: dict[str, Any], tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        place = await place_for(stack, tmp_path, Case(config=config, judged=""))
        other = place.mitmproxy.other
        url = f"{place.provider_url}{path}{QUERY}"
        flow = request_to(url, headers=HEADERS, body=BODY)
        sent = flow.request.copy()
        del flow.request.headers["content-length"]
        flow.request.headers["transfer-encoding"] = "chunked"
        await place.mitmproxy.begin(flow)
        assert flow.request.stream
        assert_hidden(*other.states)
        if config == PASSING:
            assert sent_on(flow).headers.get_all("cookie") == sent.headers.get_all("cookie")
            await place.mitmproxy.go_on(flow, b"")
        else:
            assert flow.request.headers.get("x-vast-intercept-call")
            assert "authorization" not in flow.request.headers
        flow.error = Error("The app has left.")
        await place.mitmproxy.end(flow)
        assert_hidden(*other.states)


async def test_a_replay_for_the_provider_has_the_key_of_the_person_alone(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        place = await place_for(stack, tmp_path, Case(judged=""))
        mitmproxy = place.mitmproxy
        flow = request_to(f"{place.provider_url}{CHAT}{QUERY}", headers=HEADERS, body=BODY)
        await mitmproxy.begin(flow)
        await mitmproxy.go_on(flow, BODY)
        assert await outcome_of(flow, place) == VAST
        await mitmproxy.end(flow)
        flow.live = False
        mitmproxy.master.commands.call("vast.replay.provider", [flow])
        replay = mitmproxy.replayed()
        await mitmproxy.begin(replay)
        await mitmproxy.go_on(replay, BODY)
        assert await outcome_of(replay, place) == PROVIDER
        await mitmproxy.end(replay)
        assert len(place.vast.calls) == 1
        (call,) = place.provider.calls
        assert call["authorization"] == f"Bearer {PERSONS_KEY}"
        assert_hidden(repr(call).replace(PERSONS_KEY, ""))
        assert_hidden(*mitmproxy.other.states, repr(replay.get_state()))


async def test_a_replay_for_vast_is_no_call_of_an_unknown_client(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        case = Case(config=known_as("billing", APP_KEY), judged="")
        place = await place_for(stack, tmp_path, case)
        mitmproxy = place.mitmproxy
        flow = request_to(f"{place.provider_url}{CHAT}", headers=HEADERS, body=BODY)
        await mitmproxy.begin(flow)
        await mitmproxy.go_on(flow, BODY)
        await mitmproxy.send(flow)
        await mitmproxy.end(flow)
        flow.live = False
        mitmproxy.master.commands.call("replay.client", [flow])
        replay = mitmproxy.replayed()
        await mitmproxy.begin(replay)
        await mitmproxy.go_on(replay, BODY)
        assert await outcome_of(replay, place) == VAST
        await mitmproxy.end(replay)
        assert len(place.vast.calls) == 2
        assert_hidden(*mitmproxy.other.states)


async def test_a_request_to_another_host_is_left_as_it_is(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        place = await place_for(stack, tmp_path, Case(judged=""))
        flow = request_to(f"https://example.com{CHAT}{QUERY}", headers=HEADERS, body=BODY)
        before = flow.request.copy()
        await place.mitmproxy.begin(flow)
        assert await outcome_of(flow, place) == LEFT_ALONE
        assert flow.request.headers == before.headers
        assert flow.request.path == before.path
        assert APP_KEY in place.mitmproxy.other.states[0]
