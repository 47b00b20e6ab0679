"""Images and sounds in a chat: what a model says that takes them, and refusals of others."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from vast_intercept.standin.model_server.listed.sound import wav
from vast_intercept.standin.model_server.png import png
from vast_intercept.standin.server import StandIn, StandInConfig

from ..conftest import Vast

CAT = png(30, 20, "a cat")
SPEECH = wav("hello")
TEXT = {"type": "text", "text": "what is this"}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def data_url(data: bytes, content_type: str = "image/png") -> str:
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"


def sound(data: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


HEARD = sound(base64.b64encode(SPEECH).decode())
SEEN = image(data_url(CAT))


@pytest.fixture(params=[("image", "audio")])
async def seeing(request: pytest.FixtureRequest) -> AsyncIterator[Vast]:
    config = StandInConfig(input_modalities=request.param)
    async with StandIn(config) as standin, aiohttp.ClientSession() as session:
        yield Vast(standin.url, session)


async def answered(vast: Vast, *parts: dict[str, Any]) -> str:
    answer = await vast.chat(messages=[{"role": "user", "content": list(parts)}])
    text: str = answer["choices"][0]["message"]["content"]
    return text


async def refused(vast: Vast, *parts: dict[str, Any]) -> Any:
    response, data = await vast.post({"messages": [{"role": "user", "content": list(parts)}]})
    assert response.status == 400
    return json.loads(data)["error"]


async def test_the_answer_names_what_came(seeing: Vast) -> None:
    assert await answered(seeing, TEXT, SEEN, HEARD) == (
        f"You said: what is this (2 came: image 30x20, {len(CAT)} bytes; "
        f"audio wav, {len(SPEECH)} bytes.)"
    )


@pytest.mark.parametrize(
    ("part", "described"),
    [
        (image("https://example.com/cat.png"), "image at https://example.com/cat.png"),
        (image(data_url(b"GIF89a", "image/gif")), "image image/gif, 6 bytes"),
        ({"type": "input_image", "input_image": data_url(CAT)}, f"image 30x20, {len(CAT)} bytes"),
        (
            {"type": "audio_url", "audio_url": {"url": data_url(b"x", "audio/mpeg")}},
            "audio audio/mpeg, 1 bytes",
        ),
    ],
)
async def test_ways_to_send_them(seeing: Vast, part: dict[str, Any], described: str) -> None:
    assert f"(1 came: {described}.)" in await answered(seeing, part)


@pytest.mark.parametrize(
    "part",
    [
        image("cat.png"),
        image("data:image/png;base64,not base64"),
        {"type": "image_url"},
        {"type": "image_url", "image_url": {}},
        sound("not base64"),
        {"type": "input_audio", "input_audio": {"data": "eA=="}},
    ],
)
async def test_what_cannot_be_read_is_refused(seeing: Vast, part: dict[str, Any]) -> None:
    assert (await refused(seeing, TEXT, part))["type"] == "BadRequestError"


@pytest.mark.parametrize("seeing", [("image",)], indirect=True)
async def test_a_model_that_sees_may_not_hear(seeing: Vast) -> None:
    assert "(1 came: image" in await answered(seeing, TEXT, SEEN)
    error = await refused(seeing, TEXT, HEARD)
    assert error["message"].startswith("At most 0 audio(s) may be provided in one prompt.")
    assert error["param"] == "audio"


async def test_a_model_of_text_takes_neither(vast: Vast) -> None:
    for part in (SEEN, HEARD):
        assert (await refused(vast, part))["message"] == "stand-in is not a multimodal model"
