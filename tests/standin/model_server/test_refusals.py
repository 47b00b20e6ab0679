"""What the stand-in refuses, besides what was recorded."""

import gzip
import json
from typing import Any

import pytest

from ..conftest import CHAT, COMPLETIONS, HELLO, Vast


async def refused(vast: Vast, body: object, path: str = CHAT, status: int = 400) -> Any:
    response, data = await vast.post(body, path)
    assert response.status == status, data
    assert response.content_type == "application/json"
    return json.loads(data)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic vast-standin-key"])
async def test_wrong_keys(vast: Vast, authorization: str) -> None:
    response, data = await vast.post({"messages": HELLO}, authorization=authorization)
    assert (response.status, data) == (401, b'{"error":"Unauthorized"}')


@pytest.mark.parametrize(
    "path", ["/", "/v1/models", "/unknown/v1/chat/completions", "/demo/v1/models", "/route"]
)
async def test_paths_that_are_not_there(vast: Vast, path: str) -> None:
    assert await refused(vast, {"messages": HELLO}, path, 404) == {"detail": "Not Found"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": "hello"}, "body.messages"),
        ({"messages": [{"content": "no role"}]}, "body.messages.0.role"),
        ({"max_tokens": "many"}, "body.max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 0}, None),
        ({"n": 1_000_000_000}, None),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"standin": {"unknown": 1}}, "body.standin"),
        ({"standin": {"fault": "unknown"}}, "body.standin.fault"),
        ({"standin": {"delay": -1}}, "body.standin.delay"),
        ({"standin": {"fault": "stall"}}, "standin.fault"),
    ],
)
async def test_chats(vast: Vast, change: dict[str, Any], param: str | None) -> None:
    error = (await refused(vast, {"messages": HELLO, **change}))["error"]
    assert (error["param"], error["code"]) == (param, 400)


@pytest.mark.parametrize("prompt", [None, []])
async def test_completions_without_a_prompt(vast: Vast, prompt: object) -> None:
    assert (await refused(vast, {"prompt": prompt}, COMPLETIONS))["error"]["param"] == "prompt"


async def test_even_an_empty_suffix(vast: Vast) -> None:
    body = {"prompt": "a", "suffix": ""}
    assert (await refused(vast, body, COMPLETIONS))["error"]["param"] == "suffix"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", "body"),
        (b"{", "body.1"),
        (b"[]", "body"),
        (b'"text"', "body"),
    ],
)
async def test_bodies_that_are_no_request(vast: Vast, body: bytes, param: str) -> None:
    assert (await refused(vast, body))["error"]["param"] == param


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"messages": [], "x": "\\ud800"}', gzip.compress(b"{}")],
    ids=["deep", "half a surrogate", "compressed"],
)
async def test_bodies_that_are_no_text(vast: Vast, body: bytes) -> None:
    assert await refused(vast, body) == {"detail": "There was an error parsing the body"}


async def test_a_large_body_is_read(vast: Vast) -> None:
    text = "x" * (20 * 1024 * 1024)
    answer = await vast.chat(messages=[{"role": "user", "content": text}])
    assert answer["choices"][0]["message"]["content"] == "You said: " + "x" * 2000


async def test_a_body_may_not_be_larger_than_100_mb(vast: Vast) -> None:
    await refused(vast, b" " * (100 * 1024 * 1024 + 1), status=413)
