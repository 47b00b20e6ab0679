"""Images and audio through mitmproxy: to models that take them, and to others."""

import base64
import json
import ssl
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
import requests

from vast_intercept.standin.model_server.listed.sound import wav
from vast_intercept.standin.model_server.png import png

from .. import harness
from ..fixtures.workers import serverless, standin_with
from ..harness import APP_KEY, ENDPOINT, Certificates, Interceptor, StandIn, use

SEES = "big-one"
CAT = png(30, 20, "a cat")
DATA = base64.b64encode(CAT).decode()
DATA_URL = f"data:image/png;base64,{DATA}"
URL = "https://example.com/cat.png"
SOUND = {"data": base64.b64encode(wav("hello")).decode(), "format": "wav"}
ANSWERS = {URL: f"image at {URL}", DATA_URL: f"image 30x20, {len(CAT)} bytes"}

# By the model that an app asks for: those that have a seeing endpoint among their destinations.
TAKEN = ["see-1", "mixed-1"]
MODEL: Any = "gpt-4o"


@pytest.fixture(scope="module")
def _standin(certs: Certificates) -> Iterator[StandIn]:
    takes = ("--input-modality", "image", "--input-modality", "audio")
    with standin_with(certs, *takes) as standin:
        yield standin


@pytest.fixture(scope="module")
def _seeing(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interceptor]:
    """The default endpoint takes text alone, as far as the interceptor knows."""
    config: dict[str, Any] = {
        "vast": serverless(_standin, certs.ca, timeout={"total": 20}),
        "providers": ["openai", "anthropic"],
        "endpoints": {SEES: {"input_modalities": ["image", "audio"]}},
        "routes": [
            {"model": "see-*", "endpoint": SEES},
            {"model": "mixed-*", "endpoint": ENDPOINT, "fallback": [SEES]},
        ],
    }
    with harness.intercept(tmp_path_factory.mktemp("seeing"), config) as interceptor:
        yield interceptor


@pytest.fixture(autouse=True)
def seeing(_seeing: Interceptor, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Interceptor:
    assert standin.calls() == []
    use(_seeing, monkeypatch)
    return _seeing


def to_workers(standin: StandIn) -> list[dict[str, Any]]:
    """The calls that workers got."""
    return [call for call in standin.calls() if call["path"] == "/v1/chat/completions"]


def chat_parts(url: str) -> Any:
    image = {"type": "image_url", "image_url": {"url": url}}
    return [{"role": "user", "content": [text("what is this"), image]}]


def text(said: str, kind: str = "text") -> dict[str, str]:
    return {"type": kind, "text": said}


def items(url: str) -> Any:
    image = {"type": "input_image", "image_url": url, "detail": "auto"}
    return [{"role": "user", "content": [text("what is this", "input_text"), image]}]


@pytest.mark.parametrize("model", TAKEN)
@pytest.mark.parametrize("url", ANSWERS)
def test_a_chat_shows_an_image(url: str, model: str) -> None:
    with openai.OpenAI() as client:
        raw = client.chat.completions.with_raw_response.create(
            model=model, messages=chat_parts(url)
        )
        assert ANSWERS[url] in str(raw.parse().choices[0].message.content)
        assert raw.headers["x-vast-endpoint"] == SEES
        streamed = client.chat.completions.create(
            model=model, messages=chat_parts(url), stream=True
        )
        said = "".join(each.choices[0].delta.content or "" for each in streamed if each.choices)
        assert ANSWERS[url] in said


@pytest.mark.parametrize("model", TAKEN)
@pytest.mark.parametrize("url", ANSWERS)
def test_a_response_shows_an_image(url: str, model: str) -> None:
    with openai.OpenAI() as client:
        assert ANSWERS[url] in client.responses.create(model=model, input=items(url)).output_text
        with client.responses.stream(model=model, input=items(url)) as events:
            events.until_done()
            assert ANSWERS[url] in events.get_final_response().output_text


def test_text_stays_with_the_text_model() -> None:
    with openai.OpenAI() as client:
        raw = client.chat.completions.with_raw_response.create(
            model="mixed-1", messages=[{"role": "user", "content": "hello"}]
        )
    assert raw.headers["x-vast-endpoint"] == ENDPOINT


def test_audio_is_heard() -> None:
    part: Any = {"type": "input_audio", "input_audio": SOUND}
    with openai.OpenAI() as client:
        answer = client.chat.completions.create(
            model="see-1", messages=[{"role": "user", "content": [part]}]
        )
        assert "audio wav" in str(answer.choices[0].message.content)
        item: Any = {"role": "user", "content": [part]}
        assert "audio wav" in client.responses.create(model="see-1", input=[item]).output_text


def test_an_image_for_a_text_model_is_refused_with_its_place(standin: StandIn) -> None:
    with openai.OpenAI() as client:
        with pytest.raises(openai.BadRequestError) as of_chat:
            client.chat.completions.create(model=MODEL, messages=chat_parts(DATA_URL), stream=True)
        with pytest.raises(openai.BadRequestError) as of_response:
            client.responses.create(model=MODEL, input=items(DATA_URL))
    for raised, place in (
        (of_chat, "messages[0].content[1]"),
        (of_response, "input[0].content[1]"),
    ):
        assert raised.value.code == "unsupported_content"
        assert raised.value.param == place
        assert f"endpoints: {{{ENDPOINT}: {{input_modalities: [image]}}}}" in raised.value.message
    assert standin.calls() == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "invalid_value"),
        ("cat.png", "invalid_value"),
        (DATA_URL[:-1], "invalid_value"),
        ("data:image/png;base64," + "A" * 3_000_000 + "?", "invalid_value"),
    ],
    ids=["a file", "no URL", "cut base64", "large"],
)
def test_what_is_no_image_is_refused_before_anything_is_sent(
    standin: StandIn, url: str, code: str
) -> None:
    with openai.OpenAI() as client:
        with pytest.raises(openai.BadRequestError) as of_chat:
            client.chat.completions.create(model="see-1", messages=chat_parts(url))
        with pytest.raises(openai.BadRequestError) as of_response:
            client.responses.create(model="see-1", input=items(url), stream=True)
    assert (of_chat.value.code, of_chat.value.param) == (
        code,
        "messages[0].content[1].image_url.url",
    )
    assert (of_response.value.code, of_response.value.param) == (
        code,
        "input[0].content[1].image_url",
    )
    assert standin.calls() == []


def test_a_large_image_reaches_the_worker_byte_for_byte(standin: StandIn) -> None:
    large = png(30, 20, "x" * 9_000_000)
    url = f"data:image/png;base64,{base64.b64encode(large).decode()}"
    with openai.OpenAI() as client:
        answer = client.chat.completions.create(model="see-1", messages=chat_parts(url))
    assert f"image 30x20, {len(large)} bytes" in str(answer.choices[0].message.content)
    assert len(to_workers(standin)) == 1


def test_a_stored_response_has_its_image_and_goes_on_with_it() -> None:
    with openai.OpenAI() as client:
        first = client.responses.create(model="see-1", input=items(DATA_URL))
        (item,) = client.responses.input_items.list(first.id).data
        assert item.to_dict()["content"] == items(DATA_URL)[0]["content"]
        second = client.responses.create(
            model="see-1", input="and now", previous_response_id=first.id
        )
        assert second.status == "completed"
        with pytest.raises(openai.BadRequestError) as raised:
            client.responses.create(model=MODEL, input="and now", previous_response_id=first.id)
        assert raised.value.code == "unsupported_content"


def test_the_output_of_a_call_may_be_an_image(standin: StandIn) -> None:
    called: Any = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
    image = {"type": "input_image", "image_url": DATA_URL}
    output: Any = {"type": "function_call_output", "call_id": "c1", "output": [image]}
    with openai.OpenAI() as client:
        answer = client.responses.create(model="see-1", input=[called, output])
    assert ANSWERS[DATA_URL] in answer.output_text
    sent = json.loads(harness.body_of(to_workers(standin)[0]))["payload"]
    assert [each["role"] for each in sent["messages"]] == ["assistant", "tool", "user"]


def test_a_message_shows_an_image(seeing: Interceptor, standin: StandIn) -> None:
    blocks: Any = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
        {"type": "image", "source": {"type": "url", "url": URL}},
        text("what is this"),
    ]
    asked: Any = {"max_tokens": 200, "messages": [{"role": "user", "content": blocks}]}
    context = ssl.create_default_context(cafile=str(seeing.ca))
    with (
        httpx2.Client(proxy=seeing.url, verify=context) as http,
        anthropic.Anthropic(api_key="sk-ant-api03-0123456789", http_client=http) as client,
    ):
        answer = client.messages.create(model="see-1", **asked)
        said = answer.to_dict()["content"][0]["text"]
        assert ANSWERS[DATA_URL] in said
        assert ANSWERS[URL] in said
        counted = client.messages.count_tokens(model="see-1", messages=asked["messages"])
        assert 2_000 < counted.input_tokens < 2_100
        standin.forget_calls()
        for call in (client.messages.create, client.messages.count_tokens):
            fields = asked if call == client.messages.create else {"messages": asked["messages"]}
            with pytest.raises(anthropic.BadRequestError) as raised:
                call(model="claude-opus-5-5", **fields)
            assert "messages[0].content[0]: Content of the type 'image'" in raised.value.message
    assert standin.calls() == []


def test_the_worker_counts_the_limit_of_a_chat(standin: StandIn) -> None:
    messages = [{"role": "user", "content": "hello"}]
    for limits in (
        {"max_completion_tokens": 17},
        {"max_completion_tokens": 17, "max_tokens": None},
        {"max_tokens": 17},
        {"max_tokens": None},
    ):
        answer = requests.post(
            "https://api.openai.com/v1/chat/completions",
            json={"model": MODEL, "messages": messages, **limits},
            headers={"authorization": f"Bearer {APP_KEY}"},
            timeout=30,
        )
        assert answer.ok, answer.text
    assert [(call["cost"], call["load"]) for call in to_workers(standin)][:3] == [(17, 17)] * 3
    assert [call["load"] for call in to_workers(standin)][3:] == [0]
