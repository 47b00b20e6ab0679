"""Images and audio of a Responses request: where they go, and what is wrong with them."""

import json
from typing import Any

import pytest

from vast_intercept.bridges.responses.request import Converted
from vast_intercept.openai_api.media_parts import renamed_media
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.requests import read_request

from .asking import call, converted, output, refused, user

PNG = "data:image/png;base64,iVBORw0KGgo="
TEXT = {"type": "input_text", "text": "what is this"}
IMAGE = {"type": "input_image", "image_url": PNG}
CHAT_IMAGE = {"type": "image_url", "image_url": {"url": PNG}}
CHAT_TEXT = {"type": "text", "text": "what is this"}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}


def messages(*items: object, **fields: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(converted(input=list(items), **fields).chat)["messages"]
    return made


def said(*parts: object) -> dict[str, object]:
    return {"role": "user", "content": list(parts)}


PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an image": (IMAGE, CHAT_IMAGE),
    "a URL": (
        {"type": "input_image", "image_url": "https://example.com/a.png"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ),
    "a detail": (
        {**IMAGE, "detail": "low"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
    ),
    "a detail that vLLM does not know": (
        {**IMAGE, "detail": "original"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}},
    ),
    "null for what is not there": ({**IMAGE, "detail": None, "file_id": None}, CHAT_IMAGE),
    "a sound": (SOUND, SOUND),
}


@pytest.mark.parametrize(("part", "chat_part"), PARTS.values(), ids=PARTS.keys())
def test_a_part_of_the_user_is_sent(part: dict[str, Any], chat_part: dict[str, Any]) -> None:
    assert messages(said(TEXT, part)) == [said(CHAT_TEXT, chat_part)]


def test_images_of_a_call_follow_its_output_in_a_message_of_the_user() -> None:
    made = messages(
        user(),
        call("call_1"),
        call("call_2", name="look"),
        output("call_1", text=[TEXT, IMAGE]),
        output("call_2", text=[SOUND]),
    )
    assert [each["role"] for each in made] == ["user", "assistant", "tool", "tool", "user"]
    assert made[2]["content"] == "what is this\n(The output is in the next message.)"
    assert made[3]["content"] == "(The output is in the next message.)"
    name = made[1]["tool_calls"][0]["function"]["name"]
    assert made[4]["content"] == [
        {"type": "text", "text": f"Output of {name}:"},
        CHAT_IMAGE,
        {"type": "text", "text": "Output of look:"},
        SOUND,
    ]


def test_what_the_user_says_next_is_in_the_same_message() -> None:
    made = messages(call(), output(text=[IMAGE]), user("and now"), user("please"))
    assert [each["role"] for each in made] == ["assistant", "tool", "user", "user"]
    assert made[2]["content"][1:] == [CHAT_IMAGE, {"type": "text", "text": "and now"}]
    assert made[3]["content"] == "please"


def test_what_the_model_said_next_is_behind_them() -> None:
    made = messages(call(), output(text=[IMAGE]), {"role": "assistant", "content": "A cat."})
    assert [each["role"] for each in made] == ["assistant", "tool", "user", "assistant"]


def names_of(made: Converted) -> list[tuple[str, str, str]]:
    """What the parts of the chat completion are called, by their contents in it."""
    media = read_request(Operation.CHAT_COMPLETIONS, made.chat).media
    named = renamed_media(media, made.media)
    return [(bytes(part.text).decode(), part.name.kind, part.name.place) for part in named]


def test_each_part_has_the_name_that_the_app_gave_it() -> None:
    def picture(name: str) -> dict[str, str]:
        return {"type": "input_image", "image_url": f"https://example.com/{name}"}

    made = converted(
        input=[
            output("call_1", text=[picture("a")]),  # goes behind its call
            said(TEXT, picture("b"), SOUND),
            call("call_1"),
        ],
    )
    assert sorted(names_of(made)) == [
        ('"UklGRg=="', "input_audio", "input[1].content[2]"),
        ('"https://example.com/a"', "input_image", "input[0].output[0]"),
        ('"https://example.com/b"', "input_image", "input[1].content[1]"),
    ]
    assert {name.source for name in made.media} == {
        "input[0].output[0].image_url",
        "input[1].content[1].image_url",
        "input[1].content[2].input_audio.data",
    }


PROBLEMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no URL": ({"type": "input_image"}, "missing_required_parameter", "image_url"),
    "the form of a chat": (
        {"type": "input_image", "image_url": {"url": PNG}},
        "invalid_type",
        "image_url",
    ),
    "a file": ({"type": "input_image", "file_id": "file-1"}, "unsupported_content", "file_id"),
    "another detail": ({**IMAGE, "detail": "fine"}, "invalid_value", "detail"),
    "a detail that is a number": ({**IMAGE, "detail": 1}, "invalid_value", "detail"),
    "no sound": ({"type": "input_audio"}, "missing_required_parameter", "input_audio"),
    "no data": (
        {"type": "input_audio", "input_audio": {"format": "wav"}},
        "missing_required_parameter",
        "input_audio.data",
    ),
    "another format": (
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "ogg"}},
        "invalid_value",
        "input_audio.format",
    ),
}


@pytest.mark.parametrize(("part", "code", "where"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_what_is_wrong_is_told_with_its_place_if_somebody_takes_it(
    part: dict[str, Any], code: str, where: str
) -> None:
    made = converted(input=[said(TEXT, part)])
    assert len(names_of(made)) == 1
    (name,) = made.media
    assert name.problem is not None
    assert (name.problem.status, name.problem.code) == (400, code)
    assert name.problem.param == f"input[0].content[1].{where}"


def test_a_stored_item_is_as_it_came() -> None:
    made = converted(input=[{"type": "message", "id": "msg_1", **said(TEXT, IMAGE)}])
    assert json.loads(made.asked.items)[0]["content"] == [TEXT, IMAGE]


def test_an_earlier_turn_has_its_images() -> None:
    history = [[{"type": "message", "id": "msg_1", **said(TEXT, IMAGE)}]]
    made = messages(user("and now"), history=history)
    assert made[0]["content"] == [CHAT_TEXT, CHAT_IMAGE]


@pytest.mark.parametrize("role", ["assistant", "system", "developer"])
def test_only_the_user_shows_images(role: str) -> None:
    error = refused(input=[{"role": role, "content": [TEXT, IMAGE]}, user()])
    assert (error.code, error.param) == ("unsupported_content", "input[0].content[1]")
    assert "messages of the user" in error.message
