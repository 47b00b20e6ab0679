"""What reaches the router and the workers, and what comes back."""

import base64
import json
from collections import Counter
from typing import Any

import openai
import pytest
import requests

from ...fixtures.workers import WORKERS, Intercepting
from ...harness import APP_KEY, ENDPOINT, VAST_KEY, Certificates, StandIn
from .apps import MESSAGES, TEXT, URL, App, ask, sent_to

CHAT = "/v1/chat/completions"
BODY = (
    b' {"x": {"model": "keep"},\t"model" : "gpt-3.5-turbo",\n"messages": [ {"role":"user",'
    b'"content":"h\xc3\xa9 \\u00e9 \\/ 1e5"} ], "big": 12345678901234567890, "f": 1.10e+2} '
)


def post(body: bytes) -> requests.Response:
    headers = {"authorization": f"Bearer {APP_KEY}", "content-type": "application/json"}
    answer = requests.post(URL, data=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer


def headers_of(call: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in call["headers"]}


def test_the_app_s_body_is_spliced_in_as_it_is(vast: StandIn, intercepting: Intercepting) -> None:
    intercepting()
    post(BODY)
    (call,) = vast.calls(path=CHAT)
    sent = base64.b64decode(call["body_base64"])
    assert sent.endswith(b',"payload":' + BODY.replace(b'"gpt-3.5-turbo"', b'""') + b"}")
    auth_data = json.loads(sent)["auth_data"]
    assert json.loads(sent)["session_id"] is None
    assert {"url", "reqnum", "signature", "endpoint", "cost", "request_idx"} < set(auth_data)


def test_the_router_gets_the_endpoint_s_own_key_and_the_cost(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(default_cost=77)
    ask()
    ask(max_tokens=5, n=2, temperature=1)
    asked = sent_to(vast, "/route/")
    assert [each["cost"] for each in asked] == [77, 10]
    assert [each["endpoint"] for each in asked] == [ENDPOINT] * 2
    assert VAST_KEY not in {each["api_key"] for each in asked}
    assert len(vast.calls(path="/api/v0/endptjobs/?client_id=me")) == 1


def test_only_these_headers_reach_a_worker(vast: StandIn, intercepting: Intercepting) -> None:
    intercepting()
    ask()
    (call,) = vast.calls(path=CHAT)
    headers = headers_of(call)
    assert headers.pop("user-agent").startswith("vast-intercept/")
    assert headers.pop("x-request-id").startswith("req_")
    assert set(headers) <= {"host", "accept", "content-type", "content-length"}


def test_each_call_goes_to_the_worker_that_it_was_routed_to(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting()
    for _ in range(2 * WORKERS):
        assert ask().text == TEXT
    assert Counter(call["worker"] for call in vast.calls(path=CHAT)) == dict.fromkeys(
        range(WORKERS), 2
    )


def test_fifty_at_once_each_have_a_route_of_their_own(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting(timeout={})
    apps = [
        App(ask, stream=bool(number % 2), messages=[{"role": "user", "content": f"call {number}"}])
        for number in range(50)
    ]
    for number, app in enumerate(apps):
        assert app.result().text == f"You said: call {number}"
    reqnums = [body["auth_data"]["reqnum"] for body in sent_to(vast, CHAT)]
    assert len(set(reqnums)) == len(reqnums) == 50
    stats = vast.stats()
    assert (stats["reused"], stats["unsigned"]) == (0, 0)


def test_one_round_trip_to_the_router_for_each_call_over_kept_connections(
    vast: StandIn, intercepting: Intercepting
) -> None:
    intercepting()
    ask()
    before = vast.stats()
    for _ in range(3 * WORKERS - 1):
        ask()
    assert len(vast.calls(path="/route/")) == 3 * WORKERS
    after = vast.stats()
    # One to each of the other workers, none to the router.
    assert after["worker_connections"] - before["worker_connections"] == WORKERS - 1
    assert after["connections"] == before["connections"]


def test_the_bytes_of_a_stream_arrive_as_the_worker_sent_them(
    vast: StandIn, intercepting: Intercepting, certs: Certificates
) -> None:
    intercepting()
    body = {"model": "", "messages": MESSAGES, "stream": True, "standin": {"chunks": 300}}
    headers = {"x-request-id": "same", "authorization": f"Bearer {APP_KEY}"}
    through = requests.post(URL, json=body, headers=headers, timeout=30)
    with requests.Session() as session:
        session.trust_env = False
        # The model server that the workers have behind them.
        direct = session.post(
            f"{vast.url}{CHAT}", json=body, headers=headers, timeout=30, verify=str(certs.ca)
        )
    assert through.content.count(b"\n\n") > 300
    assert without_ids(through.content) == without_ids(direct.content)


def without_ids(stream: bytes) -> list[bytes]:
    """The stream's lines, without the id that is each call's own."""
    return [line.partition(b'","object"')[2] or line for line in stream.split(b"\n")]


def test_text_completions_and_tools_work_as_well(vast: StandIn, intercepting: Intercepting) -> None:
    del vast
    intercepting()
    client = openai.OpenAI(max_retries=0)
    assert client.completions.create(model="m", prompt="ping").choices[0].text.endswith("ping")
    tools: Any = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    chunks = client.chat.completions.create(model="m", messages=MESSAGES, tools=tools, stream=True)
    names = [
        call.function.name
        for chunk in chunks
        for call in chunk.choices[0].delta.tool_calls or ()
        if call.function and call.function.name
    ]
    assert names == ["look"]


def test_a_new_endpoint_key_is_found_at_once(vast: StandIn, intercepting: Intercepting) -> None:
    intercepting()
    assert ask().text == TEXT
    vast.new_key(ENDPOINT)
    reply = ask()
    assert reply.text == TEXT
    assert reply.headers["x-vast-attempts"] == "1"


def test_models_choose_endpoints(vast: StandIn, intercepting: Intercepting) -> None:
    intercepting(sections={"routes": [{"model": "gpt-4*", "endpoint": "big-one"}]})
    assert ask(model="gpt-4o").headers["x-vast-endpoint"] == "big-one"
    assert ask(model="m").headers["x-vast-endpoint"] == ENDPOINT
    asked = [each["endpoint"] for each in sent_to(vast, "/route/")]
    assert asked == ["big-one", ENDPOINT]


@pytest.mark.parametrize("before", [0, 190])
def test_a_router_that_repeats_the_key_does_not_give_it_away(
    vast: StandIn, intercepting: Intercepting, before: int
) -> None:
    interceptor = intercepting(timeout={"total": 1, "queue": 0.2})
    ask()
    key: str = sent_to(vast, "/route/")[0]["api_key"]
    said = "x" * before + key
    for status, body in (
        (200, {"status": said}),
        (200, {"url": f"https://user:{said}@worker"}),
        (200, {"url": f"http:/{said}"}),
        (404, {"error": said}),
    ):
        vast.override("route", status=status, body=json.dumps(body), times=100)
        error = ask().error
        assert key[:12] not in error["message"]
        vast.remove_override("route")
        assert ask().text == TEXT
    assert key[:12] not in interceptor.output


@pytest.mark.parametrize("kind", ["mitmdump", "serve"])
def test_no_key_is_in_the_console_or_in_a_saved_flow(
    vast: StandIn, intercepting: Intercepting, tmp_path: Any, kind: str
) -> None:
    flows = tmp_path / "flows"
    interceptor = intercepting("-w", str(flows), "--set", "flow_detail=4", kind=kind)
    ask()
    vast.new_key(ENDPOINT, hidden=True)
    ask(stream=True)
    key = sent_to(vast, "/route/")[0]["api_key"]
    interceptor.wait_for("vast_key_refused") if kind == "mitmdump" else None
    for content in (interceptor.output.encode(), flows.read_bytes()):
        for secret in (key, VAST_KEY, APP_KEY):
            assert secret.encode() not in content
    (call,) = vast.calls(path=CHAT)
    worker = vast.workers()[call["worker"]]["url"].removeprefix("https://")
    assert worker.encode() in flows.read_bytes()
