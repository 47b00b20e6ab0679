"""What the stand-in says, as the openai package sees it."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from ..conftest import CHAT, COMPLETIONS, HELLO, Vast, text_of

WEATHER: Any = {
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
TIME: Any = {"type": "function", "function": {"name": "get_time"}}


async def test_a_chat_says_what_was_said(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="", messages=HELLO)
    assert answer.choices[0].message.content == "You said: hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "stand-in"


async def test_a_stream_says_the_same(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="stand-in",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert said == ["", "You", " said", ":", " hello", " there", None]
    usage = chunks[-1].usage
    assert usage
    assert usage.completion_tokens == 6
    assert usage.total_tokens == usage.prompt_tokens + 6


async def test_parts_of_text_are_one_text(vast: Vast) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    answer = await vast.chat(messages=[{"role": "user", "content": parts}])
    assert answer["choices"][0]["message"]["content"] == "You said: one two"


async def test_text_is_plain_utf8(vast: Vast) -> None:
    text = 'café 日本語 😀🇫🇷 "quoted" \n'
    body = {"messages": HELLO, "standin": {"text": text}}
    _, whole = await vast.post(body)
    assert "café 日本語 😀🇫🇷".encode() in whole
    assert json.loads(whole)["choices"][0]["message"]["content"] == text
    assert text_of(await vast.events(body)) == text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_the_same_request_gets_the_same_bytes(vast: Vast, path: str, stream: bool) -> None:
    body = {"messages": HELLO, "prompt": "def", "tools": [WEATHER], "n": 2, "stream": stream}
    answers = [await vast.post(body, path, **{"x-request-id": "abc"}) for _ in range(2)]
    assert answers[0][1] == answers[1][1]


async def test_the_id_is_the_one_of_the_request(vast: Vast) -> None:
    for path, expected in ((CHAT, b'{"id":"chatcmpl-abc",'), (COMPLETIONS, b'{"id":"cmpl-abc",')):
        body = {"messages": HELLO, "prompt": "def"}
        _, data = await vast.post(body, path, **{"X-Request-Id": "abc"})
        assert data.startswith(expected)


async def test_without_one_ids_differ(vast: Vast) -> None:
    assert (await vast.chat())["id"] != (await vast.chat())["id"]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_max_tokens_ends_the_answer(vast: Vast, name: str) -> None:
    answer = await vast.chat(**{name: 3})
    assert answer["choices"][0]["message"]["content"] == "You said:"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


async def test_what_just_fits_has_no_room_for_its_end(vast: Vast) -> None:
    assert (await vast.chat(max_tokens=5))["choices"][0]["finish_reason"] == "length"
    assert (await vast.chat(max_tokens=6))["choices"][0]["finish_reason"] == "stop"


async def test_stop_ends_the_text_before_it(vast: Vast) -> None:
    answer = await vast.chat(stop=["there", "lo"])
    choice = answer["choices"][0]
    assert choice["message"]["content"] == "You said: hel"
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "lo")
    chunks = await vast.events({"messages": HELLO, "stop": "lo"})
    assert text_of(chunks) == "You said: hel"
    assert chunks[-1]["choices"][0]["stop_reason"] == "lo"


async def test_numbered_chunks(vast: Vast) -> None:
    chunks = await vast.events({"messages": HELLO, "standin": {"chunks": 3}})
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == [
        *("", "w0 ", "w1 ", "w2 ", None)
    ]


async def test_several_choices(vast: Vast) -> None:
    body = {"messages": HELLO, "n": 3, "temperature": 1, "standin": {"text": "one two"}}
    answer = await vast.chat(**body)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["completion_tokens"] == 9
    chunks = await vast.events(body)
    assert [chunk["choices"][0]["index"] for chunk in chunks] == [0, 1, 2] * 4


async def test_a_tool_is_called(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="",
        messages=HELLO,
        tools=[WEATHER, TIME],
    )
    message = answer.choices[0].message
    assert message.content is None
    assert message.tool_calls
    assert [call.model_dump()["function"] for call in message.tool_calls] == [
        {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    ]
    assert answer.choices[0].finish_reason == "tool_calls"


async def test_a_streamed_call_is_the_same_call(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(
        model="",
        messages=HELLO,
        tools=[WEATHER, TIME],
        tool_choice="required",
        extra_body={"standin": {"tool_calls": 2}},
    ) as stream:
        answer = await stream.get_final_completion()
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("get_weather", '{"city": "Paris"}'),
        ("get_time", "{}"),
    ]
    assert len({call.id for call in calls}) == 2
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("choice", "told", "called", "finish_reason"),
    [
        ("auto", {}, ["get_weather"], "tool_calls"),
        ("required", {}, ["get_weather"], "tool_calls"),
        ({"type": "function", "function": {"name": "get_time"}}, {}, ["get_time"], "stop"),
        ("none", {}, [], "stop"),
        ("auto", {"text": "No."}, [], "stop"),
        ("auto", {"tool_calls": 3}, ["get_weather", "get_time", "get_weather"], "tool_calls"),
    ],
)
async def test_tool_choice(
    vast: Vast, choice: object, told: dict[str, Any], called: list[str], finish_reason: str
) -> None:
    answer = await vast.chat(tools=[WEATHER, TIME], tool_choice=choice, standin=told)
    calls = answer["choices"][0]["message"].get("tool_calls", [])
    assert [call["function"]["name"] for call in calls] == called
    assert answer["choices"][0]["finish_reason"] == finish_reason


async def test_the_result_of_a_tool_is_told(vast: Vast) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
    ]
    answer = await vast.chat(messages=messages, tools=[WEATHER])
    assert answer["choices"][0]["message"]["content"] == "The tool says: sunny"


class Person(BaseModel):
    name: str
    friends: list["Person"]
    age: int | None


async def test_a_schema_is_followed(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.parse(
        model="",
        messages=HELLO,
        response_format=Person,
    )
    person = answer.choices[0].message.parsed
    assert person
    assert (person.name, person.age) == ("text", 1)


async def test_a_json_object_is_one(vast: Vast) -> None:
    answer = await vast.chat(response_format={"type": "json_object"})
    assert json.loads(answer["choices"][0]["message"]["content"]) == {
        "answer": "You said: hello there"
    }


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a b", [" You wrote: a b"]),
        (["a", "b"], [" You wrote: a", " You wrote: b"]),
        ([1, 2], [" You wrote: <1> <2>"]),
        ([[1], [2, 3]], [" You wrote: <1>", " You wrote: <2> <3>"]),
    ],
)
async def test_completions(client: openai.AsyncOpenAI, prompt: Any, texts: list[str]) -> None:
    answer = await client.completions.create(model="", prompt=prompt)
    assert [choice.text for choice in answer.choices] == texts
    stream = await client.completions.create(model="", prompt=prompt, stream=True)
    streamed = [""] * len(texts)
    async for chunk in stream:
        streamed[chunk.choices[0].index] += chunk.choices[0].text
    assert streamed == texts


async def test_completions_end_after_16_tokens(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model="", prompt="word " * 20)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 16


async def test_a_token_is_a_chunk(vast: Vast) -> None:
    cut = await vast.events({"prompt": "a", "max_tokens": 2}, COMPLETIONS)
    assert [chunk["choices"][0]["text"] for chunk in cut] == [" You", " wrote"]
    ended = await vast.events({"prompt": "a"}, COMPLETIONS)
    assert [chunk["choices"][0]["text"] for chunk in ended] == [" You", " wrote", ":", " a", ""]


async def test_echo_repeats_the_prompt_at_no_cost(vast: Vast) -> None:
    body = {"prompt": "def main(", "echo": True, "max_tokens": 2}
    _, data = await vast.post(body, COMPLETIONS)
    answer = json.loads(data)
    assert answer["choices"][0]["text"] == "def main( You wrote"
    assert answer["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("path", ["/demo/chat/completions", "/other/v1/chat/completions"])
async def test_other_paths_of_a_chat(vast: Vast, path: str) -> None:
    response, _ = await vast.post({"messages": HELLO}, path)
    assert response.status == 200
