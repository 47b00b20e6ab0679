"""Images: what is read of a call, and what the app gets of an answer."""

import base64
import contextlib
import json
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.listed_operations import images, long_members
from vast_intercept.listed_operations.image_generations import ImagesCall, read_image_generation
from vast_intercept.openai_api.amounts import Amounts
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.usage import Usage

from ..openai_api.test_outline import in_steps
from .reading_calls import BOTH_WAYS, LONGEST_STEP, answer, read, refusal, sent

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(25)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(20)).decode()
WEBP = base64.b64encode(b"RIFF\x20\x00\x00\x00WEBP").decode()


def call(**members: Any) -> ImagesCall:
    return read(read_image_generation, {"prompt": "a cat"} | members, outlined=False)


# The request.

SENT = {
    "nothing is asked for": (
        b'{"model": "gpt-image-1" , "prompt":"\\u00e9", "n":2}\n',
        b'{"model": "" , "prompt":"\\u00e9", "n":2,"response_format":"b64_json"}\n',
    ),
    "a URL": (
        b'{"response_format" : "url", "prompt":"\xc3\xa9", "size":"1024x1024", "x":[1,2,3,4]}',
        b'{"response_format" : "b64_json", "prompt":"\xc3\xa9", "size":"1024x1024", "x":[1,2,3,4]}',
    ),
    "null": (
        b'{"prompt":"x","response_format":null,"stream":false,"partial_images":0}',
        b'{"prompt":"x","response_format":"b64_json","stream":false,"partial_images":0}',
    ),
    "what it has anyway": (
        b'{"size":"auto","prompt":"x","n":null}',
        b'{"prompt":"x","response_format":"b64_json"}',
    ),
    "a member that the worker would take for the call": (
        b'{"input":{"prompt":"y"},"prompt":"x"}',
        b'{"prompt":"x","response_format":"b64_json"}',
    ),
}


@pytest.mark.parametrize("outlined", BOTH_WAYS)
@pytest.mark.parametrize(("body", "due"), SENT.values(), ids=SENT.keys())
def test_the_worker_is_asked_for_base64(body: bytes, due: bytes, outlined: bool) -> None:
    assert sent(read(read_image_generation, body, outlined=outlined)) == due


def test_what_is_asked_for_is_read() -> None:
    made = call(model="dall-e-3", prompt="é" * 10, input=1)
    assert (made.model, made.left_out) == ("dall-e-3", ("input",))
    assert made.amounts == Amounts(characters=10)
    assert made.for_server() is None


URL = {
    "a URL": ({"response_format": "url", "model": "gpt-image-1"}, True),
    "base64": ({"response_format": "b64_json", "model": "dall-e-3"}, False),
    "OpenAI's older models": ({"model": "dall-e-3"}, True),
    "the one before": ({"model": "dall-e-2", "response_format": None}, True),
    "newer models": ({"model": "gpt-image-1-mini"}, False),
    "other models": ({"model": "flux"}, False),
    "no model, which is dall-e-2": ({}, True),
    "no model, but what only newer ones have": ({"output_format": "png"}, False),
    "null is nothing": ({"output_format": None, "model": None}, True),
}


@pytest.mark.parametrize(("members", "as_url"), URL.values(), ids=URL.keys())
def test_the_app_gets_a_url_where_openai_gives_one(members: Any, as_url: bool) -> None:
    assert call(**members).as_url is as_url


UNSUPPORTED = "unsupported_parameter"
REFUSED = {
    "no prompt": ({"prompt": None}, ("missing_required_parameter", "prompt")),
    "a prompt that is no text": ({"prompt": ["x"]}, ("invalid_type", "prompt")),
    "a stream": ({"stream": True}, (UNSUPPORTED, "stream")),
    "a stream that is no flag": ({"stream": "yes"}, ("invalid_type", "stream")),
    "images as they are made": ({"partial_images": 2}, (UNSUPPORTED, "partial_images")),
    "another format": ({"response_format": "png"}, ("invalid_value", "response_format")),
    "a format that is no text": ({"response_format": 1}, ("invalid_type", "response_format")),
    "a model that is no text": ({"model": {}}, ("invalid_type", "model")),
}


@pytest.mark.parametrize(("members", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_drawn_is_refused(members: Any, error: tuple[str, str]) -> None:
    assert refusal(read_image_generation, {"prompt": "a cat"} | members) == error


# The answer.


def made_of(*entries: Any) -> dict[str, Any]:
    return {"created": 1, "data": list(entries), "output_format": "png"}


def test_an_app_that_wants_base64_gets_the_answer_as_it_came() -> None:
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    body = json.dumps(made_of({"b64_json": PNG}, {"b64_json": JPEG}) | {"usage": usage}).encode()
    made = answer(call(response_format="b64_json"), body)
    assert made.body is body
    assert made.amounts == Amounts(images=2, bytes=33 + 24)
    assert made.usage == Usage(3, 4)


URLS = {"image/png": PNG, "image/jpeg": JPEG, "image/webp": WEBP}


@pytest.mark.parametrize(("kind", "image"), URLS.items())
def test_an_app_that_wants_a_url_gets_one_with_the_image_in_it(kind: str, image: str) -> None:
    entry = {"b64_json": image, "url": None, "revised_prompt": 'a cat, with "b64_json": 1'}
    came = made_of(entry, {"b64_json": PNG}) | {"size": "1x1"}
    made = json.loads(answer(call(response_format="url"), came).body)
    first, second = made.pop("data")
    assert first == {
        "url": f"data:{kind};base64,{image}",
        "revised_prompt": entry["revised_prompt"],
    }
    assert second == {"url": f"data:image/png;base64,{PNG}"}
    assert made == {"created": 1, "output_format": "png", "size": "1x1"}


def test_escaped_slashes_stay() -> None:
    came = json.dumps(made_of({"b64_json": JPEG})).replace("/", "\\/").encode()
    made = json.loads(answer(call(response_format="url"), came).body)
    assert made["data"] == [{"url": f"data:image/jpeg;base64,{JPEG}"}]


NO_ANSWERS = {
    "no data": {"created": 1},
    "no image": made_of(),
    "an image without its bytes": made_of({"b64_json": None}),
    "a URL in its place": made_of({"url": "https://worker/x.png"}),
    "an image that is none": made_of({"b64_json": [0]}),
    "one of two that is none": made_of({"b64_json": PNG}, {"b64_json": [0]}),
    "no base64": made_of({"b64_json": "<html>"}),
    "an empty text": made_of({"b64_json": ""}),
    "base64 that is cut": made_of({"b64_json": PNG[:-2] + "A"}),
    "a text": made_of("x"),
    "a name that is no text": b'{"\\ud800":1,"data":[{"b64_json":"%b"}]}' % PNG.encode(),
    "no UTF-8": b'{"x":"\xff","data":[{"b64_json":"%b"}]}' % PNG.encode(),
    "no JSON": b"no",
}


@pytest.mark.parametrize("wanted", ["url", "b64_json"])
@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_an_answer_without_images_is_a_502(body: Any, wanted: str) -> None:
    with pytest.raises(ApiError) as caught:
        answer(call(response_format=wanted), body)
    assert (caught.value.status, caught.value.code) == (502, "bad_upstream_answer")


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4), st.integers(80, 300))
def test_no_step_is_seen_in_the_result(contents: list[bytes], step: int) -> None:
    encoded = [base64.b64encode(content).decode() for content in contents]
    came = made_of(*({"revised_prompt": "x", "b64_json": image} for image in encoded))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_members, "STEP", step)
        patch.setattr(images, "STEP", step)
        made = answer(call(response_format="url"), came)
    urls = [entry["url"].partition(",")[2] for entry in json.loads(made.body)["data"]]
    assert urls == encoded
    assert made.amounts == Amounts(images=len(contents), bytes=sum(map(len, contents)))


@given(st.binary(max_size=100), st.integers(0, 300), st.sampled_from(["url", "b64_json"]))
def test_what_comes_never_makes_it_fail(junk: bytes, place: int, wanted: str) -> None:
    body = json.dumps(made_of({"b64_json": PNG, "url": None}, {"b64_json": JPEG})).encode()
    with contextlib.suppress(ApiError):
        answer(call(response_format=wanted), body[:place] + junk + body[place + len(junk) :])


@pytest.mark.parametrize("wanted", ["url", "b64_json"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[' + b"{}," * 1_300_000 + b'{"b64_json":"AAAA"}]}',
        b'{"data":[{"b64_json":"AAAA"}],%b}' % b",".join(b'"%x":1' % n for n in range(400_000)),
        b'{"data":[{"b64_json":"AAAA",%b}]}' % b",".join(b'"%x":1' % n for n in range(400_000)),
        b'{"data":[%b]}' % b",".join([b'{"b64_json":"AAAA"}'] * 100_000),
    ],
    ids=["entries", "members", "members of an entry", "images"],
)
def test_an_answer_of_very_many_values_is_a_502_in_short_steps(wanted: str, body: bytes) -> None:
    steps = call(response_format=wanted).answer(bytearray(body))
    moments = [time.thread_time()]
    with pytest.raises(ApiError, match=r"too much in it besides images|more than 1,000 images"):
        moments.extend(time.thread_time() for _ in steps)
    moments.append(time.thread_time())
    assert max(after - before for before, after in pairwise(moments)) < LONGEST_STEP


@pytest.mark.parametrize("wanted", ["url", "b64_json"])
def test_images_of_60_mb_are_handed_on_in_short_steps(wanted: str) -> None:
    image = b"iVBORw0KGgo" + b"A/+9" * 4_000_000 + b"AAA=="
    image = image[: len(image) // 4 * 4]
    body = bytearray(b'{"data":[%b]}' % b",".join([b'{"b64_json":"%b"}' % image] * 4))
    made, longest = in_steps(call(response_format=wanted).answer(body))
    assert made.amounts.images == 4
    assert len(made.body) > 60_000_000
    assert longest < LONGEST_STEP
