"""What a person sees of calls in mitmweb."""

from typing import Any

import pytest
from playwright.sync_api import expect

from ..end_to_end.resilience.apps import App
from ..harness import ENDPOINT, StandIn
from .conftest import Watching

IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.y"}}]}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.mark.parametrize(
    ("kind", "path", "body", "finished"),
    [
        ("mitmweb", "chat/completions", {"messages": [{"role": "user", "content": "hi"}]}, "stop"),
        ("serve", "responses", {"input": "hi"}, "completed"),
    ],
)
def test_a_stream_grows_while_its_end_is_held_back(
    mitmweb: Watching, standin: StandIn, kind: str, path: str, body: Any, finished: str
) -> None:
    web = mitmweb(kind=kind)
    standin.play({"gate": "live", "chunks": 4})
    arrived: list[str] = []

    def app() -> None:
        with web.interceptor.session().post(
            f"https://api.openai.com/v1/{path}",
            json={"model": "gpt-4o", "stream": True, **body},
            stream=True,
            timeout=60,
        ) as answer:
            arrived.extend(line.decode() for line in answer.iter_lines() if line)

    running = App(app)
    expect(web.rows()).to_have_count(1)
    web.select(0)
    expect(web.content()).to_contain_text("still being generated")
    standin.open_gate("live")
    expect(web.content()).to_contain_text("w0")
    expect(web.content()).not_to_contain_text("w1")
    standin.open_gate("live")
    expect(web.content()).to_contain_text("w0 w1")
    expect(web.content()).not_to_contain_text("w2")
    expect(web.content()).to_contain_text("still being generated")
    for _ in range(5 if path == "responses" else 4):  # it asks for the usage, another event
        standin.open_gate("live")
    running.result()
    assert "w3" in "".join(arrived)
    expect(web.content()).to_contain_text("w0 w1 w2 w3")
    expect(web.content()).to_contain_text(f"finished: {finished}")
    expect(web.content()).not_to_contain_text("still being generated")
    standin.end_script()


def test_chats_are_shown_as_what_they_are(mitmweb: Watching) -> None:
    web = mitmweb(kind="serve")
    web.call()
    web.call(stream=True)
    web.call(tools=[TOOL], tool_choice="required")
    web.call(stream=True, tools=[TOOL], tool_choice="required")
    web.call("embeddings", input="x")
    web.call(messages=IMAGE)
    web.call(stream=True, standin={"chunks": 5, "fault": "cut"})
    expect(web.rows()).to_have_count(7)

    web.select(0, "Request")
    expect(web.content()).to_contain_text("gpt-4o")
    expect(web.content()).to_contain_text("user")
    expect(web.content()).to_contain_text("hello")
    for number, shown in enumerate(
        [
            ["assistant · finished: stop", f"answered by the endpoint {ENDPOINT}"],
            ["assistant · finished: stop", "first token after"],
            ["→ get_weather", '"city":'],
            ["→ get_weather", '"city":', "first token after"],
            ["error: unsupported_endpoint (status 404)", "answered by the interceptor"],
            ["error: unsupported_content (status 400)", "param messages[0].content[0]"],
            ["error: vast_disconnected", "w0"],
        ]
    ):
        web.select(number)
        for text in shown:
            expect(web.content()).to_contain_text(text)
        expect(web.content()).not_to_contain_text("data:")
        expect(web.content()).not_to_contain_text('"choices"')


def test_the_list_tells_how_each_call_did(mitmweb: Watching) -> None:
    web = mitmweb("--set", "web_columns=path", "--set", "web_columns=comment")
    web.call()
    web.call("embeddings", input="x")
    expect(web.rows()).to_have_count(2)
    served, refused = web.rows().nth(0), web.rows().nth(1)
    expect(served.locator(".col-comment")).to_contain_text(f"gpt-4o → {ENDPOINT} (stand-in); 200")
    expect(served.locator(".col-path")).to_contain_text("✅")
    expect(refused.locator(".col-comment")).to_contain_text("404; refused: unsupported_endpoint")
    expect(refused.locator(".col-path")).to_contain_text("⛔")


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (f"~comment '→ {ENDPOINT}'", 1),
        ("~marker no_entry", 1),
        ('~marker "x|broken_heart"', 0),
        ('~comment "[2-9] attempts"', 0),
        ("~ts event-stream", 0),
        ("~marked", 2),
    ],
    ids=["endpoint", "refused", "failed", "attempts", "streams", "marked"],
)
def test_filters_find_calls(mitmweb: Watching, expression: str, found: int) -> None:
    web = mitmweb()
    web.call()
    web.call("embeddings", input="x")
    expect(web.rows()).to_have_count(2)
    web.search(expression)
    expect(web.rows()).to_have_count(found)
