"""Images: a real PNG of the wanted size, in a colour that follows from the prompt."""

import base64
import json
import struct
import zlib
from hashlib import sha256
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.standin.model_server.png import png, size_of

from ...conftest import Vast

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
CAT = png(30, 20, "a cat")
# A JPEG's beginning, up to the header of its frame.
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\x01\xff\xc0\x00\x11\x08\x00\x14\x00\x1e\x03"
)


def chunks(data: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG, whose checksums have to be right."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    found, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind = data[place + 4 : place + 8]
        found[kind] = data[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, place + 8 + length)
        assert checksum == zlib.crc32(kind + found[kind])
        place += length + 12
    assert list(found)[-1] == b"IEND"
    return found


async def generated(able: Vast, **fields: Any) -> Any:
    response, data = await able.post({"prompt": "a cat", **fields}, GENERATIONS)
    assert response.status == 200, data
    return json.loads(data)


def images(answer: Any) -> list[bytes]:
    return [base64.b64decode(each["b64_json"]) for each in answer["data"]]


@given(st.integers(1, 300), st.integers(1, 300), st.text(st.characters(codec="utf-8")))
def test_a_png_is_a_png(width: int, height: int, text: str) -> None:
    data = png(width, height, text)
    assert size_of(data) == (width, height)
    pixels = zlib.decompress(chunks(data)[b"IDAT"])
    assert len(pixels) == height * (1 + (width + 7) // 8)


def test_the_colour_follows_from_the_text() -> None:
    assert chunks(png(1, 1, "red"))[b"PLTE"] == chunks(png(9, 9, "red"))[b"PLTE"]
    assert chunks(png(1, 1, "red"))[b"PLTE"] != chunks(png(1, 1, "blue"))[b"PLTE"]


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (CAT, (30, 20)),
        (CAT[:20], None),
        (JPEG, (30, 20)),
        (JPEG[:-6], None),
        (b"\xff\xd8nothing", None),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_how_large_images_are(data: bytes, size: tuple[int, int] | None) -> None:
    assert size_of(data) == size


async def test_the_answer_has_the_shape_of_vllm_omni(able: Vast) -> None:
    answer = await generated(able, size="64x32")
    assert list(answer) == ["created", "data", "output_format", "size", "cot_output", "metrics"]
    assert (answer["output_format"], answer["size"]) == ("png", "64x32")
    assert list(answer["data"][0]) == ["b64_json", "url", "revised_prompt"]
    (image,) = images(answer)
    assert size_of(image) == (64, 32)
    assert b"a cat" in chunks(image)[b"iTXt"]


async def test_several_images_differ(able: Vast) -> None:
    answer = await generated(able, n=3, response_format="b64_json")
    assert len(set(images(answer))) == 3
    assert {size_of(image) for image in images(answer)} == {(1024, 1024)}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "body.prompt"),
        ({"size": "auto"}, "body.size"),
        ({"size": "0x10"}, "body.size"),
        ({"size": "100000x1"}, "body.size"),
        ({"n": 11}, "body.n"),
        ({"response_format": "url"}, "body.response_format"),
    ],
)
async def test_what_is_refused(able: Vast, fields: dict[str, Any], param: str) -> None:
    response, data = await able.post({"prompt": "a cat", **fields}, GENERATIONS)
    assert (response.status, json.loads(data)["error"]["param"]) == (400, param)


@pytest.mark.parametrize(("size", "expected"), [(None, (30, 20)), ("auto", (30, 20))])
async def test_an_edit_is_as_large_as_the_image(
    able: Vast, size: str | None, expected: tuple[int, int]
) -> None:
    fields = {"prompt": "a dog", **({"size": size} if size else {})}
    response, data = await able.upload(EDITS, fields, image=("cat.png", CAT, "image/png"))
    assert response.status == 200, data
    (image,) = images(json.loads(data))
    assert size_of(image) == expected


async def test_an_edit_names_every_file_that_came(able: Vast) -> None:
    payload = {
        "prompt": "a dog",
        "size": "8x8",
        "image": [base64.b64encode(each).decode() for each in (CAT, JPEG)],
        "filename": ["cat.png", "other.jpg"],
        "mask": base64.b64encode(CAT).decode(),
    }
    (image,) = images(await able.serve(EDITS, payload))
    comment = chunks(image)[b"iTXt"].decode()
    for what, name, data in (
        ("image", "cat.png", CAT),
        ("image", "other.jpg", JPEG),
        ("mask", "image.png", CAT),
    ):
        assert f"{what} {name}, {len(data)} bytes, SHA-256 {sha256(data).hexdigest()}" in comment


@pytest.mark.parametrize(
    ("fields", "files", "param"),
    [
        ({"prompt": "a dog"}, {}, "image"),
        ({}, {"image": ("cat.png", CAT, "image/png")}, "body"),
        ({"prompt": "a dog"}, {"image": ("cat.png", b"cat", "image/png")}, "image"),
        ({"prompt": "a dog", "n": "0"}, {"image": ("cat.png", CAT, "image/png")}, "body"),
    ],
)
async def test_edits_that_are_refused(
    able: Vast, fields: dict[str, str], files: dict[str, Any], param: str
) -> None:
    response, data = await able.upload(EDITS, fields, **files)
    assert (response.status, json.loads(data)["error"]["param"]) == (400, param)


async def test_the_openai_package_reads_both(able: Vast) -> None:
    async with openai.AsyncOpenAI(base_url=f"{able.url}/v1", api_key="any") as client:
        made = await client.images.generate(model="", prompt="a cat", size="256x256")
        changed = await client.images.edit(
            model="", prompt="a dog", image=[("a.png", CAT), ("b.png", CAT)]
        )
    for answer in (made, changed):
        assert answer.data
        assert size_of(base64.b64decode(answer.data[0].b64_json or "")) in {(256, 256), (30, 20)}
