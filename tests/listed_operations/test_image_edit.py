import base64
import json
from typing import Any

import pytest

from vast_intercept.listed_operations.form_reader import FormReader
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation

from .uploads import done, field, file, form, read

EDITS = Operation.IMAGES_EDITS
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200_000)
JPEG = b"\xff\xd8\xff\xe0" + bytes(10)
PROMPT = field("prompt", "a hat")


def image(data: bytes = PNG, name: str | None = "a.png", field: str = "image") -> bytes:
    return file(data, name, None, field)


def for_worker(*parts: bytes) -> Any:
    return json.loads(b"".join(done(read(form(*parts), EDITS).for_worker())))


def refusal(*parts: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(form(*parts), EDITS)
    assert caught.value.status == 400
    return caught.value


def test_a_worker_gets_images_and_mask_as_base64_with_their_names() -> None:
    got = for_worker(
        image(field="image[]"),
        image(JPEG, None, field="image[]"),
        PROMPT,
        image(JPEG, "m.JPEG", field="mask"),
        field("n", "2"),
        field("size", "512x512"),
        field("model", "gpt-image-1"),
        field("response_format", "url"),
        field("quality", "low"),
    )
    assert [base64.b64decode(each, validate=True) for each in got.pop("image")] == [PNG, JPEG]
    assert base64.b64decode(got.pop("mask"), validate=True) == JPEG
    assert got == {
        "filename": ["a.png", "file.jpeg"],
        "mask_filename": "m.jpeg",
        "prompt": "a hat",
        "n": "2",
        "size": "512x512",
        "response_format": "b64_json",
        "quality": "low",
    }


def test_a_server_gets_a_form_with_the_same_files() -> None:
    made = read(form(PROMPT, image(field="image[]"), image(field="mask")), EDITS).for_server()
    assert made
    reader = FormReader(made.content_type, {"image[]": 16, "mask": 1})
    done(reader.feed(b"".join(made.pieces)))
    found = reader.end()
    assert found.texts() == {"prompt": ["a hat"], "response_format": ["b64_json"]}
    assert [(part.name, found.data(part)) for part in found.parts if part.is_file] == [
        ("image[]", PNG),
        ("mask", PNG),
    ]


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({}, 500.0),
        ({"size": "1024x1024", "n": "2"}, 1_000.0),
        ({"size": "512x512"}, 125.0),
        ({"size": "auto", "n": "x"}, 500.0),
        ({"size": "9e999x1"}, 50.0),
        ({"n": "99"}, 4_000.0),
    ],
)
def test_the_cost_is_pixels_as_the_worker_counts_them(fields: dict[str, str], cost: float) -> None:
    parts = [field(name, value) for name, value in fields.items()]
    call = read(form(PROMPT, image(), *parts), EDITS)
    assert call.cost == cost
    assert (call.amounts.images, call.amounts.bytes) == (1, len(PNG))


def test_the_app_gets_base64_or_a_url_as_it_asked() -> None:
    body = json.dumps({"data": [{"b64_json": base64.b64encode(PNG).decode()}]}).encode()
    call = read(form(PROMPT, image(), field("response_format", "b64_json")), EDITS)
    assert done(call.answer(body)).body == body
    call = read(form(PROMPT, image(), field("response_format", "url")), EDITS)
    url = json.loads(bytes(done(call.answer(body)).body))["data"][0]["url"]
    assert url == "data:image/png;base64," + base64.b64encode(PNG).decode()


def test_values_that_mean_nothing_are_left_out() -> None:
    got = for_worker(PROMPT, image(), field("size", "auto"), field("n", ""))
    assert got.keys() == {"prompt", "response_format", "image", "filename"}


REFUSED = {
    "no image": ([PROMPT], "missing_required_parameter", "image"),
    "a mask alone": ([PROMPT, image(field="mask")], "missing_required_parameter", "image"),
    "no prompt": ([image()], "missing_required_parameter", "prompt"),
    "another type": ([PROMPT, image(name="a.gif")], "invalid_value", "image"),
    "two masks": ([PROMPT, *[image(field="mask")] * 2], "invalid_value", "mask"),
    "too many": ([*[image(b"x"), image(b"x", field="image[]")] * 9], "invalid_value", "image"),
    "a stream": ([PROMPT, image(), field("stream", "true")], "unsupported_parameter", "stream"),
    "a format": (
        [PROMPT, image(), field("response_format", "x")],
        "invalid_value",
        "response_format",
    ),
}


@pytest.mark.parametrize(("parts", "code", "param"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_served_is_refused(parts: list[bytes], code: str, param: str) -> None:
    error = refusal(*parts)
    assert (error.code, error.param) == (code, param)
