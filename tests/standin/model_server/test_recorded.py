"""The stand-in against the answers that a real vLLM gave: same request, same shape.

Errors have to be the same to the byte. Other answers have to have the same keys, in the same order,
with values of the same types; what says what a thing is (`object`, `finish_reason`, ...) has to
have the same value. A stream has to be the same sequence of kinds of events, repetitions aside.

The model that was recorded has random weights and a grammar told it what to say. Where the shape of
an answer depends on what is said, `SAID` has the stand-in say the same.
"""

import json
from collections.abc import AsyncIterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from vast_intercept.standin.server import StandIn, StandInConfig

RECORDED = Path(__file__).parents[2] / "recorded"

NOT_SERVED = "Vast's OpenAI interface serves chat/completions and completions, nothing else"
LOGPROBS = "the stand-in has no log probabilities: its logprobs are null"
OUT_OF_SCOPE = {
    "audio_transcriptions": NOT_SERVED,
    "embeddings": NOT_SERVED,
    "images_generations": NOT_SERVED,
    "models_get_tiny": NOT_SERVED,
    "models_list": NOT_SERVED,
    "moderations": NOT_SERVED,
    "nows_responses_tool_auto_stream": NOT_SERVED,
    "chat_logprobs_stream": LOGPROBS,
    "completions_logprobs": LOGPROBS,
}

# What a grammar forced the model to say; the others said gibberish until `max_tokens` was reached.
SAID: dict[str, dict[str, Any]] = {
    "chat_emoji_regex_stream": {"text": "café 日本語 😀🇫🇷 end"},
    "chat_json_schema_complete": {},
    "chat_regex_text": {"text": "Hello, world. This is a short answer."},
    "chat_regex_text_stream": {"text": "Hello, world. This is a short answer."},
    "chat_tool_call_auto": {},
    "chat_tool_call_auto_stream": {},
    "chat_tool_call_auto_two_calls_parallel_false_stream": {"tool_calls": 2},
    "chat_tool_call_auto_two_calls_stream": {"tool_calls": 2},
    "chat_tool_call_auto_with_text_stream": {"text": "Let me look.", "tool_calls": 1},
    "chat_tools_named_stream": {},
    "chat_tools_required_stream": {"tool_calls": 100},
}
GIBBERISH = {"chunks": 1_000}

# It called tools until its tokens ran out, so how many and which is chance.
UNTIL_CUT = {"chat_tools_required_stream"}

# Keys whose value is part of the shape.
TELLING = {"finish_reason", "index", "model", "object", "role", "stop_reason", "type"}
# Headers that depend on the connection, the clock or the length of the text.
PASSING = {"connection", "content-length", "date", "location", "server", "transfer-encoding"}

NAMES = sorted(path.stem for path in RECORDED.glob("*.json"))
# Vast serves neither the Responses nor the Messages API.
IN_SCOPE = [
    name
    for name in NAMES
    if name not in OUT_OF_SCOPE and not name.startswith(("responses_", "anthropic_"))
]
KEY = "the-key"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    config = StandInConfig(api_key=KEY, endpoints=("demo",), model="tiny", context=512)
    async with StandIn(config) as standin:
        yield f"{standin.url}/demo"


def test_every_recording_is_compared_or_listed() -> None:
    assert len(IN_SCOPE) >= 40
    assert set(OUT_OF_SCOPE) <= set(NAMES)
    assert set(SAID) <= set(IN_SCOPE)


@pytest.mark.parametrize("name", IN_SCOPE)
async def test_answers_like_vllm(name: str, url: str) -> None:
    recording = json.loads((RECORDED / f"{name}.json").read_text())
    recorded = recording["response"]
    # An answer that is no error is told what to say; nothing else is changed in a request.
    told = SAID.get(name, GIBBERISH) if recorded["status"] == 200 else None
    status, headers, body = await send(url, name, recording["request"], told)

    assert status == recorded["status"], body
    assert telling_headers(headers) == telling_headers(recorded["headers"])
    assert ("location" in headers) == ("location" in recorded["headers"])
    if recorded["status"] != 200:
        assert body == recorded["body"]
    elif "event-stream" in headers["content-type"]:
        # Which calls there are is chance only where tools are called until the tokens run out.
        collapse = transitions if name in UNTIL_CUT else runs
        assert collapse(kinds(body, name)) == collapse(kinds(recorded["body"], name))
    else:
        assert shape(json.loads(body)) == shape(json.loads(recorded["body"]))


async def send(
    url: str, name: str, request: dict[str, Any], told: dict[str, Any] | None
) -> tuple[int, dict[str, str], str]:
    # The recording writes the bytes of one that is not UTF-8 as the code points of that number.
    body = request["body"].encode("latin-1" if name == "chat_invalid_utf8" else "utf-8")
    if told is not None:
        body = json.dumps({**json.loads(body), "standin": told}).encode()
    headers = {"authorization": f"Bearer {'wrong' if name.startswith('auth_') else KEY}"}
    if request["content_type"]:
        headers["content-type"] = request["content_type"]
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            request["method"],
            url + request["path"],
            data=body,
            headers=headers,
            skip_auto_headers=["content-type"],
            allow_redirects=False,
        ) as response,
    ):
        received = {key.lower(): value for key, value in response.headers.items()}
        return response.status, received, await response.text()


def telling_headers(headers: dict[str, str]) -> dict[str, str]:
    # `vary: Origin` is vLLM's CORS, which no app behind the interceptor gets to see.
    return {name: headers[name] for name in headers if name not in PASSING | {"vary"}}


def shape(value: Any, key: str = "", ignored: frozenset[str] = frozenset()) -> Any:
    """What has to be the same. Elements of the same shape count as one."""
    match value:
        case dict():
            return [(name, shape(each, name, ignored)) for name, each in value.items()]
        case list():
            shapes = [shape(each, key, ignored) for each in value]
            return [
                "list",
                *(each for index, each in enumerate(shapes) if each not in shapes[:index]),
            ]
        case _ if key in TELLING and key not in ignored:
            return value
        case _:
            return type(value).__name__


def kinds(stream: str, name: str) -> list[Any]:
    """The shape of each event."""
    ignored = frozenset({"index"} if name in UNTIL_CUT else ())
    *events, end = stream.split("\n\n")
    assert end.strip() == ""
    return [
        data if data == "[DONE]" else shape(json.loads(data), ignored=ignored)
        for event in events
        if event.strip()
        for data in [event.removeprefix("data: ")]
    ]


def runs(events: list[Any]) -> list[Any]:
    """The sequence, with each run of the same kind as one."""
    return [kind for kind, _ in groupby(events)]


def transitions(events: list[Any]) -> set[str]:
    """Which kind follows which, and which is first and last."""
    return {json.dumps(pair) for pair in pairwise(["first", *runs(events), "last"])}


WHOLE: dict[str, Any] = {
    "object": "chat.completion",
    "choices": [{"index": 0, "text": "a", "finish_reason": "stop", "logprobs": None}],
    "created": 1,
}


@pytest.mark.parametrize(
    "other",
    [
        {**WHOLE, "more": None},
        {"object": "chat.completion", "choices": WHOLE["choices"]},
        {**WHOLE, "object": "text_completion"},
        {**WHOLE, "created": 1.5},
        {**WHOLE, "created": None},
        {**WHOLE, "choices": []},
        {**WHOLE, "choices": [{**WHOLE["choices"][0], "finish_reason": "length"}]},
        {**WHOLE, "choices": [{**WHOLE["choices"][0], "logprobs": {}}]},
        dict(reversed(WHOLE.items())),
    ],
)
def test_the_comparison_notices(other: dict[str, Any]) -> None:
    assert shape(other) != shape(WHOLE)


def test_the_comparison_ignores_what_is_said() -> None:
    said = {**WHOLE, "choices": [{**WHOLE["choices"][0], "text": "b"}], "created": 2}
    assert shape(said) == shape(WHOLE)
    assert runs([1, 1, 2, 2, 1]) == [1, 2, 1]
    assert transitions([1, 2, 1, 2, 3]) == transitions([1, 1, 2, 1, 2, 1, 2, 3])
    assert transitions([1, 2, 3]) != transitions([1, 3, 2])


@pytest.mark.parametrize("name", ["audio_transcriptions", "embeddings", "images_generations"])
async def test_what_a_model_does_not_serve_is_not_found(name: str) -> None:
    """On a machine of one's own, as recorded."""
    recording = json.loads((RECORDED / f"{name}.json").read_text())
    config = StandInConfig(machine_key=KEY, model="tiny")
    async with StandIn(config) as standin:
        status, headers, body = await send(standin.url, name, recording["request"], None)
    recorded = recording["response"]
    assert (status, body) == (recorded["status"], recorded["body"])
    assert telling_headers(headers) == telling_headers(recorded["headers"])
