"""Real clients, unchanged, with https://api.openai.com/v1 in them."""

import asyncio
import json
import subprocess
from typing import Any

import httpx
import openai
import pydantic
import pytest
import requests

from ..harness import APP_KEY, ENDPOINT, Interceptor, StandIn, http2_only

URL = "https://api.openai.com/v1/chat/completions"
MESSAGES: Any = [{"role": "user", "content": "hello there"}]
HEADERS = {"authorization": f"Bearer {APP_KEY}"}
BODY = {"model": "gpt-3.5-turbo", "messages": MESSAGES}


def texts(lines: list[str]) -> str:
    """The text of a stream's `data:` lines."""
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    chunks = [json.loads(text) for text in data[:-1]]
    return "".join(choice["delta"].get("content") or "" for c in chunks for choice in c["choices"])


@pytest.mark.usefixtures("mitmdump")
def test_requests_without_a_session() -> None:
    answer = requests.post(URL, json=BODY, headers=HEADERS, timeout=30)
    assert answer.status_code == 200
    assert "hello there" in answer.json()["choices"][0]["message"]["content"]


@pytest.mark.usefixtures("mitmdump")
def test_requests_streamed() -> None:
    answer = requests.post(
        URL, json={**BODY, "stream": True}, headers=HEADERS, stream=True, timeout=30
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "hello there" in texts(list(answer.iter_lines(decode_unicode=True)))


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_httpx_whole_and_streamed(http2: bool, mitmdump: Interceptor) -> None:
    with httpx.Client(http2=http2, verify=http2_only(mitmdump) if http2 else True) as client:
        answer = client.post(URL, json=BODY, headers=HEADERS)
        assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert "hello there" in answer.json()["choices"][0]["message"]["content"]
        with client.stream("POST", URL, json={**BODY, "stream": True}, headers=HEADERS) as stream:
            assert "hello there" in texts(list(stream.iter_lines()))


def curl(mitmdump: Interceptor, *options: str, http: str = "--http1.1") -> str:
    """Runs curl with the app's environment and returns what it prints."""
    command = ["curl", "--silent", "--show-error", "--fail-with-body", http, *options]
    command += ["-H", "content-type: application/json", "-H", f"authorization: Bearer {APP_KEY}"]
    environ = mitmdump.app_environ() | {"PATH": "/usr/bin:/bin"}
    environ["https_proxy"] = environ["HTTPS_PROXY"]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize("path", ["/v1/models", "/v1/files"])
def test_a_request_without_a_body_over_http2(path: str, mitmdump: Interceptor) -> None:
    with httpx.Client(http2=True, verify=http2_only(mitmdump)) as client:
        answer = client.get(f"https://api.openai.com{path}")
        assert answer.http_version == "HTTP/2"
        assert answer.status_code == (200 if path == "/v1/models" else 404)


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
def test_curl_whole_and_streamed(mitmdump: Interceptor, http: str) -> None:
    whole = curl(mitmdump, URL, "-d", json.dumps(BODY), http=http)
    assert "hello there" in json.loads(whole)["choices"][0]["message"]["content"]
    streamed = curl(mitmdump, "-N", URL, "-d", json.dumps({**BODY, "stream": True}), http=http)
    assert "hello there" in texts(streamed.splitlines())


def test_curl_posts_a_text_completion(mitmdump: Interceptor, standin: StandIn) -> None:
    url = "https://api.openai.com/v1/completions"
    body = {"model": "davinci-002", "prompt": "def main(", "max_tokens": 8}
    answer = json.loads(curl(mitmdump, url, "-d", json.dumps(body)))
    assert answer["object"] == "text_completion"
    assert standin.calls()[0]["path"] == f"/{ENDPOINT}/v1/completions"


@pytest.mark.usefixtures("mitmdump")
def test_plain_http_goes_the_same_way(standin: StandIn) -> None:
    answer = requests.post(URL.replace("https:", "http:"), json=BODY, headers=HEADERS, timeout=30)
    assert answer.status_code == 200
    assert len(standin.calls()) == 1


@pytest.mark.usefixtures("mitmdump")
class TestOpenAIPackage:
    def test_whole(self) -> None:
        answer = openai.OpenAI().chat.completions.create(model="gpt-3.5-turbo", messages=MESSAGES)
        assert "hello there" in (answer.choices[0].message.content or "")
        assert answer.usage
        assert answer.usage.total_tokens > 0

    def test_streamed_with_usage(self) -> None:
        stream = openai.OpenAI().chat.completions.create(
            model="gpt-3.5-turbo",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert "hello there" in text
        assert chunks[-1].usage

    def test_async_many_at_once(self, standin: StandIn) -> None:
        async def ask(client: openai.AsyncOpenAI, number: int) -> str:
            stream = await client.chat.completions.create(
                model="gpt-3.5-turbo",
                messages=[{"role": "user", "content": f"number {number}"}],
                stream=True,
            )
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

        async def ask_all() -> list[str]:
            async with openai.AsyncOpenAI() as client:
                return await asyncio.gather(*(ask(client, number) for number in range(30)))

        answers = asyncio.run(ask_all())
        for number, answer in enumerate(answers):
            assert f"number {number}" in answer
        assert len(standin.calls()) == 30

    def test_tools_and_their_results(self) -> None:
        client = openai.OpenAI()
        tools: Any = [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string", "enum": ["Paris", "Oslo"]}},
                        "required": ["city"],
                    },
                },
            }
        ]
        answer = client.chat.completions.create(
            model="gpt-3.5-turbo", messages=MESSAGES, tools=tools
        )
        message = answer.choices[0].message
        assert message.tool_calls
        call: Any = message.tool_calls[0]
        assert json.loads(call.function.arguments) == {"city": "Paris"}
        result = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
        history: Any = [*MESSAGES, message.model_dump(exclude_none=True), result]
        answer = client.chat.completions.create(
            model="gpt-3.5-turbo", messages=history, tools=tools
        )
        assert "21 degrees" in (answer.choices[0].message.content or "")

    def test_streamed_tools(self) -> None:
        tools: Any = [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string", "enum": ["Paris"]}},
                        "required": ["city"],
                        "additionalProperties": False,
                    },
                    "strict": True,
                },
            }
        ]
        with openai.OpenAI().chat.completions.stream(
            model="gpt-3.5-turbo", messages=MESSAGES, tools=tools
        ) as stream:
            final = stream.get_final_completion()
        assert final.choices[0].message.tool_calls
        assert final.choices[0].message.tool_calls[0].function.name == "get_weather"

    def test_structured_output(self) -> None:
        class Event(pydantic.BaseModel):
            name: str
            participants: list[str]

        answer = openai.OpenAI().chat.completions.parse(
            model="gpt-3.5-turbo", messages=MESSAGES, response_format=Event
        )
        assert isinstance(answer.choices[0].message.parsed, Event)

    def test_text_completions_with_several_prompts(self) -> None:
        answer = openai.OpenAI().completions.create(
            model="davinci-002", prompt=["one", "two"], max_tokens=4
        )
        assert [choice.index for choice in answer.choices] == [0, 1]


def test_many_streams_at_once_over_one_http2_connection(
    mitmdump: Interceptor, standin: StandIn
) -> None:
    """mitmproxy alone would let five of them through at a time."""

    async def ask(client: httpx.AsyncClient) -> None:
        body = {**BODY, "stream": True, "standin": {"gate": "http2"}}
        async with client.stream("POST", URL, json=body, headers=HEADERS) as stream:
            assert stream.status_code == 200
            await stream.aread()

    async def ask_all() -> None:
        async with httpx.AsyncClient(http2=True, verify=http2_only(mitmdump), timeout=30) as client:
            calls = asyncio.gather(*(ask(client) for _ in range(40)))
            # All of them are answered while none of them can end.
            await asyncio.to_thread(standin.wait_for_calls, "running", 40)
            calls.cancel()
            await asyncio.gather(calls, return_exceptions=True)

    asyncio.run(ask_all())
    standin.wait_for_calls("cancelled", 40)
