"""Pictures of a Messages request: where they go, and what is wrong with them."""

import contextlib
import json
import time
from typing import Any

import pytest

from vast_intercept.bridges.messages.bridge import MessagesBridge
from vast_intercept.bridges.messages.request import read_messages
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.media_parts import MAX_MEDIA, renamed_media
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.requests import read_request

from .test_messages import ASKED, bridge_of

DATA = "iVBORw0KGgo="
SOURCE = {"type": "base64", "media_type": "image/png", "data": DATA}
BASE64 = {"type": "image", "source": SOURCE}
URL = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
CHAT_BASE64 = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}
CHAT_URL = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def user(*blocks: object) -> dict[str, object]:
    return {"role": "user", "content": list(blocks)}


def chat(*messages: object) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(bridge_of(messages=list(messages)).chat)["messages"]
    return made


def test_blocks_become_parts_in_order() -> None:
    made = chat(user(text("a"), text("b"), BASE64, text("c"), URL))
    assert made == [user(text("a\nb"), CHAT_BASE64, text("c"), CHAT_URL)]


def test_messages_of_one_role_in_a_row_are_one() -> None:
    made = chat(user(BASE64), {"role": "user", "content": "what is this"})
    assert made == [user(CHAT_BASE64, text("what is this"))]


def test_a_picture_of_a_tool_follows_its_result() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [text("seen"), BASE64]}
    made = chat(user(text("look")), USE, user(result, text("well")))
    assert [each["role"] for each in made] == ["user", "assistant", "tool", "user"]
    assert made[2]["content"] == "seen\n(The result is in the next message.)"
    about, picture, more = made[3]["content"]
    assert about["text"] == f"Result of {made[2]['tool_call_id']}:"
    assert (picture, more) == (CHAT_BASE64, text("well"))


def names_of(bridge: MessagesBridge) -> list[tuple[str, str]]:
    media = read_request(Operation.CHAT_COMPLETIONS, bridge.chat).media
    return [(part.name.place, part.name.source) for part in renamed_media(media, bridge.media)]


def test_each_picture_has_the_place_that_the_app_gave_it() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [URL]}
    bridge = bridge_of(messages=[user(BASE64), USE, user(text("a"), BASE64, result)])
    assert names_of(bridge) == [
        ("messages[0].content[0]", "messages[0].content[0].source.data"),
        # Results of tools come first.
        ("messages[2].content[2].content[0]", "messages[2].content[2].content[0].source.url"),
        ("messages[2].content[1]", "messages[2].content[1].source.data"),
    ]


PROBLEMS: dict[str, tuple[Any, str]] = {
    "no source": (None, "source"),
    "a source that is a text": ("x", "source"),
    "no type": ({}, "source.type"),
    "another type": ({"type": "s3"}, "source.type"),
    "a file": ({"type": "file", "file_id": "file_1"}, "source"),
    "another picture": ({**SOURCE, "media_type": "image/tiff"}, "source.media_type"),
    "no media type": ({"type": "base64", "data": DATA}, "source.media_type"),
    "no data": ({"type": "base64", "media_type": "image/png"}, "source.data"),
    "data that is a number": ({**SOURCE, "data": 1}, "source.data"),
    "no URL": ({"type": "url"}, "source.url"),
}


@pytest.mark.parametrize(("source", "where"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_what_is_wrong_is_told_with_its_place_if_somebody_takes_it(source: Any, where: str) -> None:
    bridge = bridge_of(messages=[user(text("a"), {"type": "image", "source": source})])
    assert len(names_of(bridge)) == 1
    problem = bridge.media[0].problem
    assert problem is not None
    assert (problem.status, problem.param) == (400, f"messages[0].content[1].{where}")
    assert problem.message.startswith(f"messages[0].content[1].{where}: ")


def test_a_picture_counts_for_tokens_by_what_it_shows_and_not_by_its_bytes() -> None:
    large = {"type": "image", "source": {**SOURCE, "data": "AAAA" * 250_000}}
    counted = [bridge_of(messages=[user(text("x" * 400), each)]) for each in (BASE64, large)]
    tokens = [each.asked.input_tokens for each in counted]
    assert tokens[0] == tokens[1]
    assert 1_000 < tokens[0] < 1_200


def nested(blocks: list[Any]) -> list[Any]:
    """A conversation with these blocks in the result of a tool."""
    return [USE, user({"type": "tool_result", "tool_use_id": "t1", "content": blocks})]


LARGE = {**BASE64, "source": {**SOURCE, "data": "iVBO" * 1_900_000}}
WORST: dict[str, list[Any]] = {
    "a huge picture": [user(LARGE)],
    "a huge picture of a tool": nested([LARGE]),
    "many images": [user(*[BASE64] * MAX_MEDIA)],
    "many images of a tool": nested([BASE64] * MAX_MEDIA),
    "too many images": [user(*[BASE64] * 9_000)],
    "too many images of a tool": nested([{"type": "image"}] * 200_000),
}


@pytest.mark.parametrize("messages", WORST.values(), ids=WORST.keys())
def test_no_request_with_pictures_blocks_the_event_loop(messages: list[Any]) -> None:
    body = json.dumps({**ASKED, "messages": messages}).encode()

    def took() -> float:
        before = time.thread_time()
        with contextlib.suppress(ApiError):
            read_messages(body, "req_1")
        return time.thread_time() - before

    assert min(took() for _ in range(3)) < 0.05


@pytest.mark.parametrize("nest", [lambda blocks: [user(*blocks)], nested], ids=["user", "tool"])
def test_more_pictures_than_are_converted_are_refused(nest: Any) -> None:
    bridge_of(messages=nest([BASE64] * MAX_MEDIA))
    with pytest.raises(ApiError, match="more than 1,000 images"):
        bridge_of(messages=nest([BASE64] * (MAX_MEDIA + 1)))
    with pytest.raises(ApiError, match="more than 10,000 messages and content blocks"):
        bridge_of(messages=nest([text("a")] * 10_001))
