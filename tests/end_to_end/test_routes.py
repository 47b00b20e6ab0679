"""What a route does to the calls that it is for, beside choosing where they go."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests

from .. import harness
from ..harness import ENDPOINT, Certificates, Interceptor, StandIn, use

MESSAGES: Any = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def _interceptor(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interceptor]:
    config = {
        "vast": harness.vast_section(_standin, certs.ca),
        "routes": [
            {"model": "thinking-*", "endpoint": ENDPOINT, "reasoning": "both"},
            {"model": "strict-*", "endpoint": ENDPOINT, "roles": {"developer": "system"}},
        ],
    }
    with harness.intercept(tmp_path_factory.mktemp("routes"), config) as interceptor:
        yield interceptor


@pytest.fixture
def client(_interceptor: Interceptor, monkeypatch: pytest.MonkeyPatch) -> Iterator[openai.OpenAI]:
    """The package as an app has it."""
    use(_interceptor, monkeypatch)
    with openai.OpenAI(max_retries=0) as client:
        yield client


NAMES = ["reasoning", "reasoning_content"]


def answering(body: str, kind: str) -> dict[str, Any]:
    """Has the stand-in answer just this."""
    return {"standin": {"status": 200, "body": body, "headers": {"content-type": kind}}}


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_answer_has_its_reasoning_under_both_names(
    client: openai.OpenAI, name: str
) -> None:
    text = '{"choices":[{"index":0,"message":{"role":"assistant","content":"4","%s":"2+2"}}]}'
    body = {"extra_body": answering(text % name, "application/json")}
    ask = client.chat.completions.create
    thought = ask(model="thinking-1", messages=MESSAGES, **body).choices[0].message
    assert thought.model_extra == dict.fromkeys(NAMES, "2+2")
    other = ask(model="other", messages=MESSAGES, **body).choices[0].message
    assert other.model_extra == {name: "2+2"}


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_has_its_reasoning_under_both_names(client: openai.OpenAI, name: str) -> None:
    chunk = 'data: {"choices":[{"index":0,"delta":{"%s":"%s"},"finish_reason":null}]}\n\n'
    events = "".join(chunk % (name, piece) for piece in ("2", "+", "2"))
    events += chunk % ("content", "4") + "data: [DONE]\n\n"
    body = {"extra_body": answering(events, "text/event-stream")}
    for model, names in (("thinking-1", NAMES), ("other", [name])):
        chunks = client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **body)
        deltas = [chunk.choices[0].delta for chunk in chunks]
        assert [delta.model_extra for delta in deltas] == [
            *(dict.fromkeys(names, piece) for piece in ("2", "+", "2")),
            {},
        ]
        assert deltas[-1].content == "4"


URL = "https://api.openai.com/v1/chat/completions"
ASKED = (
    b'{"model" : "%s", "temperature": 1.0e0,"messages":'
    b'[ {"role": "developer", "content": "\\u00e9 \\/"},'
    b'\n{"content":"hello there","role":"user"}, {"role":"developer","content":"x"}],'
    b'"user":"developer"}'
)


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(("model", "role"), [(b"strict-1", b"system"), (b"other", b"developer")])
def test_only_roles_are_renamed(standin: StandIn, model: bytes, role: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = requests.post(URL, data=ASKED % model, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    (call,) = standin.calls()
    sent = harness.body_of(call)
    expected = (ASKED % b"").replace(b'"role": "developer"', b'"role": "%s"' % role)
    assert sent == expected.replace(b'"role":"developer"', b'"role":"%s"' % role)


@pytest.mark.parametrize("stream", [False, True])
def test_who_may_not_be_a_developer_is_told_what_to_do(
    client: openai.OpenAI, standin: StandIn, stream: bool
) -> None:
    said = '{"error":{"message":"Unexpected message role.","type":"BadRequestError","code":400}}'
    told = {"status": 400, "body": said, "headers": {"content-type": "application/json"}}
    messages: Any = [{"role": "developer", "content": "be brief"}, *MESSAGES]

    def message(model: str, messages: Any) -> str:
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(
                model=model, messages=messages, stream=stream, extra_body={"standin": told}
            )
        assert raised.value.code == "invalid_request"
        assert isinstance(raised.value.body, dict)
        return str(raised.value.body["message"])

    assert message("other", messages).startswith("Unexpected message role. (The call has a message")
    assert "put `roles: {developer: system}` into the route" in message("other", messages)
    assert message("other", MESSAGES) == "Unexpected message role."
    assert message("strict-1", messages) == "Unexpected message role."
    assert len(standin.calls()) == 4
