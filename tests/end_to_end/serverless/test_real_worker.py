"""Calls through a real mitmdump and Vast's real PyWorker, to the stand-in's model server."""

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import openai
import pytest
import requests

from ... import harness
from ...harness import APP_KEY, VAST_KEY, Certificates, StandIn, error_of
from ..pyworker import PyWorker
from .routed import ask_worker, routed

# The first use of the PyWorker installs it.
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("serverless")]

API = "https://api.openai.com"
CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
MESSAGES: Any = [{"role": "user", "content": "hello there"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": f"get_{what}",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city", "days"],
            },
        },
    }
    for what in ("weather", "news")
]
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, {"messages": MESSAGES, "max_tokens": 50}),
    "completion": (COMPLETIONS, {"prompt": "def main(", "max_tokens": 12}),
    "tools": (CHAT, {"messages": MESSAGES, "tools": TOOLS, "standin": {"tool_calls": 2}}),
    "choices": (CHAT, {"messages": MESSAGES, "n": 3}),
    "beyond ASCII": (CHAT, {"messages": MESSAGES, "standin": {"text": 'héllo 🌍 \u2028 "ok"'}}),
}


def post(path: str, body: dict[str, Any], **options: Any) -> requests.Response:
    """What an app does that knows neither proxies nor Vast."""
    headers = {"authorization": f"Bearer {APP_KEY}"}
    return requests.post(
        API + path, json={"model": "m", **body}, headers=headers, timeout=60, **options
    )


def straight(vast: StandIn, path: str, body: dict[str, Any], answer_id: str) -> bytes:
    """What the model server itself answers. Its id, which each answer has anew, is to be this."""
    headers = {"x-request-id": re.sub(r"^(chatcmpl|cmpl)-", "", answer_id)}
    answer = vast._session.post(
        vast.url + path, json={**body, "model": ""}, headers=headers, timeout=60
    )
    answer.raise_for_status()
    return answer.content


def for_the_model(vast: StandIn, path: str = CHAT) -> list[dict[str, Any]]:
    """The calls that reached the model server."""
    return vast.calls(path=path)


class TestAnswers:
    @pytest.mark.parametrize(("path", "body"), BODIES.values(), ids=BODIES.keys())
    def test_a_whole_one_is_byte_for_byte_the_model_servers(
        self, path: str, body: dict[str, Any], vast: StandIn
    ) -> None:
        answer = post(path, body)
        assert answer.status_code == 200
        assert answer.content == straight(vast, path, body, answer.json()["id"])

    @pytest.mark.parametrize(("path", "body"), BODIES.values(), ids=BODIES.keys())
    def test_a_stream_is_byte_for_byte_the_model_servers(
        self, path: str, body: dict[str, Any], vast: StandIn
    ) -> None:
        body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        answer = post(path, body)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.content.endswith(b"data: [DONE]\n\n")
        first = json.loads(answer.content.partition(b"\n")[0].removeprefix(b"data: "))
        assert answer.content == straight(vast, path, body, first["id"])

    def test_the_body_reaches_the_model_server_whole(self, vast: StandIn) -> None:
        body = {
            "messages": [{"role": "user", "content": "héllo \\u00e9 🌍"}],
            "temperature": 1.10e-2,
            "seed": 12345678901234567890,
            "x": {"model": "keep", "none": None},
        }
        assert post(CHAT, body).status_code == 200
        (call,) = for_the_model(vast)
        assert json.loads(harness.body_of(call)) == {"model": "", **body}
        assert APP_KEY not in str(call["headers"])
        assert VAST_KEY not in str(call["headers"])

    def test_the_next_chunk_is_made_only_after_the_last_was_seen(self, vast: StandIn) -> None:
        """No clock: the model server waits for the word of the app before every chunk."""
        texts = []
        for chunk in openai.OpenAI(max_retries=0).chat.completions.create(
            model="m",
            messages=MESSAGES,
            stream=True,
            extra_body={"standin": {"gate": "unbuffered", "chunks": 20}},
        ):
            texts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
            vast.open_gate("unbuffered")
        assert texts == [f"w{number} " for number in range(20)]


class TestOpenAIPackage:
    def test_chat(self) -> None:
        answer = openai.OpenAI().chat.completions.create(model="m", messages=MESSAGES)
        assert "hello there" in (answer.choices[0].message.content or "")
        assert answer.usage

    def test_chat_streamed(self) -> None:
        chunks = openai.OpenAI().chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert "hello there" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    def test_completion(self) -> None:
        answer = openai.OpenAI().completions.create(model="m", prompt="def main(", echo=True)
        assert answer.object == "text_completion"
        assert answer.choices[0].text.startswith("def main(")

    def test_completion_streamed(self) -> None:
        chunks = openai.OpenAI().completions.create(
            model="m", prompt="def main(", echo=True, stream=True
        )
        assert "".join(chunk.choices[0].text for chunk in chunks).startswith("def main(")

    def test_tools_in_a_stream(self) -> None:
        chunks = openai.OpenAI().chat.completions.create(
            model="m",
            messages=MESSAGES,
            tools=TOOLS,
            stream=True,
            extra_body={"standin": {"tool_calls": 2}},
        )
        names: dict[int, str] = {}
        arguments: dict[int, str] = {}
        reasons = []
        for chunk in chunks:
            choice = chunk.choices[0]
            reasons.append(choice.finish_reason)
            for call in choice.delta.tool_calls or []:
                assert call.function
                names[call.index] = names.get(call.index, "") + (call.function.name or "")
                arguments.setdefault(call.index, "")
                arguments[call.index] += call.function.arguments or ""
        assert names == {0: "get_weather", 1: "get_news"}
        assert all(set(json.loads(text)) == {"city", "days"} for text in arguments.values())
        assert reasons[-1] == "tool_calls"

    async def test_fifty_at_once_each_with_a_route_of_its_own(
        self, vast: StandIn, worker: PyWorker
    ) -> None:

        async def ask(client: openai.AsyncOpenAI, number: int) -> str:
            chunks = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": f"this is number {number}."}],
                stream=bool(number % 2),
            )
            if isinstance(chunks, openai.AsyncStream):
                return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
            return chunks.choices[0].message.content or ""

        before = worker.requests
        async with openai.AsyncOpenAI(max_retries=0) as client:
            texts = await asyncio.gather(*(ask(client, number) for number in range(50)))
        for number, text in enumerate(texts):
            assert f"this is number {number}." in text
        assert len(for_the_model(vast)) == 50
        assert worker.requests == before + 50
        # It reports how many different `reqnum`s it has seen.
        different = re.compile(rf'"num_requests_recieved": {before + 50},')
        await asyncio.to_thread(worker.wait_for, different)


class TestErrors:
    @pytest.mark.parametrize(
        ("path", "body", "message"),
        [
            (CHAT, {"messages": MESSAGES, "max_tokens": 10_000_000}, "max_tokens"),
            (CHAT, {"messages": MESSAGES, "temperature": -1}, "temperature must be non-negative"),
            (CHAT, {"messages": MESSAGES, "temperature": -1, "stream": True}, "non-negative"),
            (COMPLETIONS, {"prompt": "x", "max_tokens": 0}, "max_tokens must be at least 1"),
        ],
    )
    def test_of_vllm_arrives_as_openais(
        self, path: str, body: dict[str, Any], message: str
    ) -> None:
        answer = post(path, body)
        assert answer.status_code == 400
        error = error_of(answer)
        assert error["type"] == "invalid_request_error"
        assert message in error["message"]

    def test_of_vllm_is_raised_by_the_openai_package(self) -> None:
        with pytest.raises(openai.BadRequestError, match="non-negative"):
            openai.OpenAI().chat.completions.create(model="m", messages=MESSAGES, temperature=-1)

    @pytest.mark.parametrize("fault", ["cut", "cut_mid_event"])
    def test_a_model_server_that_dies_in_a_stream_ends_it_with_an_error(self, fault: str) -> None:
        """The worker then writes the head of an empty 500 where the next chunk should be.

        If that came together with the head of the answer, there would be no answer at all, and the
        call would be tried again: hence the delay between the chunks.
        """
        texts = []
        with pytest.raises(openai.APIError) as raised:  # noqa: PT012
            for chunk in openai.OpenAI(max_retries=0, timeout=20).chat.completions.create(
                model="m",
                messages=MESSAGES,
                stream=True,
                extra_body={"standin": {"fault": fault, "chunks": 20, "after": 5, "delay": 0.05}},
            ):
                texts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        assert raised.value.code == "vast_disconnected"
        assert texts == [f"w{number} " for number in range(4)]

    def test_an_app_that_leaves_in_a_stream_ends_the_call_to_the_worker(
        self, vast: StandIn, worker: PyWorker
    ) -> None:
        """The worker notes that, but keeps its own call to the model server until that ends."""
        before = worker.output.count("(client disconnect)")
        chunks = openai.OpenAI().chat.completions.create(
            model="m",
            messages=MESSAGES,
            stream=True,
            extra_body={"standin": {"gate": "leaving", "chunks": 5}},
        )
        next(iter(chunks))
        chunks.close()
        worker.wait_for(rf"(?s)(\(client disconnect\).*?){{{before + 1}}}")
        for _ in range(10):
            vast.open_gate("leaving")


class TestTheWorkerItself:
    """That what is tested against is as strict as Vast's."""

    def test_takes_a_route_that_is_signed(
        self, vast: StandIn, worker: PyWorker, worker_certs: Certificates
    ) -> None:
        answer = ask_worker(worker, CHAT, routed(vast), {"messages": MESSAGES}, worker_certs.ca)
        assert answer.status_code == 200
        assert "hello there" in answer.text

    @pytest.mark.parametrize("forged", ["signature", "url"])
    def test_refuses_a_forged_one(
        self, forged: str, vast: StandIn, worker: PyWorker, worker_certs: Certificates
    ) -> None:
        route = routed(vast)
        route[forged] = "A" * len(route[forged])
        answer = ask_worker(worker, CHAT, route, {"messages": MESSAGES}, worker_certs.ca)
        assert (answer.status_code, answer.content) == (401, b"")
        assert for_the_model(vast) == []


def test_a_call_waits_for_a_worker_that_has_too_much_to_do(
    vast: StandIn, start_worker: Callable[..., AbstractContextManager[PyWorker]]
) -> None:
    def ask(**body: Any) -> requests.Response:
        return post(CHAT, {"model": "gpt-4", "messages": MESSAGES, "max_tokens": 100, **body})

    with (
        start_worker(endpoint="big-one", number=2, max_queue_time=0) as busy,
        ThreadPoolExecutor() as apps,
    ):
        first = apps.submit(ask, standin={"gate": "busy", "chunks": 1})
        vast.wait_for_calls("running", path=CHAT)
        second = apps.submit(ask)
        busy.wait_for("Rejecting Request")  # with an empty 429
        vast.open_gate("busy")
        assert first.result().status_code == 200
        assert second.result().status_code == 200
