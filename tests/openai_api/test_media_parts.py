"""Images and audio in a chat: found, and checked in short steps, to the last byte."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vast_intercept.openai_api import texts
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.limits import STEP
from vast_intercept.openai_api.media_parts import MAX_MEDIA, check_media
from vast_intercept.openai_api.modalities import Modality
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.outline import needs_outline
from vast_intercept.openai_api.requests import outline_of, read_request
from vast_intercept.openai_api.texts import plain_pieces

from .test_outline import in_steps

MIB = 1024 * 1024
PNG = "data:image/png;base64,iVBORw0KGgo="
SOUND = {"data": "UklGRg==", "format": "wav"}
URL = "messages[0].content[1].image_url.url"
DATA = "messages[0].content[1].input_audio.data"


def chat(*parts: object) -> bytes:
    content = [{"type": "text", "text": "what is this"}, *parts]
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()


def image(url: object) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def sound(**members: object) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {**SOUND, **members}}


def checked(body: bytes, *, outlined: bool = False) -> float:
    """Checks all parts. Returns the computing time of the longest step in seconds."""
    made = in_steps(outline_of(body))[0] if outlined else None
    media = read_request(Operation.CHAT_COMPLETIONS, body, made).media
    return in_steps(check_media(body, made, media))[1]


def refused(body: bytes, *, outlined: bool = False) -> ApiError:
    with pytest.raises(ApiError) as caught:
        checked(body, outlined=outlined)
    assert caught.value.status == 400
    assert caught.value.param
    assert caught.value.param in caught.value.message or "Supported values" in caught.value.message
    return caught.value


def test_parts_are_found_with_their_places() -> None:
    body = chat(image(PNG), sound(), {"type": "audio_url", "audio_url": {"url": "x"}})
    request = read_request(Operation.CHAT_COMPLETIONS, body)
    names = [part.name for part in request.media]
    assert [(name.modality, name.kind, name.place, name.source) for name in names] == [
        (Modality.IMAGE, "image_url", "messages[0].content[1]", URL),
        (
            Modality.AUDIO,
            "input_audio",
            "messages[0].content[2]",
            "messages[0].content[2].input_audio.data",
        ),
        (
            Modality.AUDIO,
            "audio_url",
            "messages[0].content[3]",
            "messages[0].content[3].audio_url.url",
        ),
    ]
    assert request.body == body.replace(b'"m"', b'""')


GOOD = {
    "a URL": image("https://example.com/a.png?x=1&y=%20#z"),
    "a URL in capitals": image("HTTP://EXAMPLE.COM:8080/a"),
    "a host of another script": image("https://příklad.example/obrázek.png"),
    "an address": image("http://[2001:db8::1]/a.png"),
    "a long URL": image("https://example.com/" + "a" * 3_000),
    "base64": image(PNG),
    "base64 with parameters": image("data:image/svg+xml;charset=utf-8;base64,PHN2Zz4="),
    "base64 without padding": image("data:image/jpeg;base64,AAAA"),
    "a detail": {"type": "image_url", "image_url": {"detail": "low", "url": PNG}},
    "a sound": sound(),
    "MP3": sound(format="mp3"),
    "the URL of a sound": {"type": "audio_url", "audio_url": {"url": "https://example.com/a.wav"}},
    "a sound in a URL": {"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64,UklG"}},
}


@pytest.mark.parametrize("outlined", [False, True])
@pytest.mark.parametrize("part", GOOD.values(), ids=GOOD.keys())
def test_a_part_is_taken(part: dict[str, Any], outlined: bool) -> None:
    checked(chat(part), outlined=outlined)


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no image_url": ({"type": "image_url"}, "missing_required_parameter", URL[:-4]),
    "image_url null": (
        {"type": "image_url", "image_url": None},
        "missing_required_parameter",
        URL[:-4],
    ),
    "the old form": ({"type": "image_url", "image_url": PNG}, "invalid_type", URL[:-4]),
    "a list": ({"type": "image_url", "image_url": [PNG]}, "invalid_type", URL[:-4]),
    "no URL": ({"type": "image_url", "image_url": {}}, "missing_required_parameter", URL),
    "a number": (image(1), "invalid_type", URL),
    "nothing": (image(""), "invalid_value", URL),
    "a word": (image("cat.png"), "invalid_value", URL),
    "a file": (image("file:///etc/passwd"), "invalid_value", URL),
    "FTP": (image("ftp://example.com/a.png"), "invalid_value", URL),
    "no host": (image("https:///a.png"), "invalid_value", URL),
    "no host either": (image("https://"), "invalid_value", URL),
    "no slashes": (image("https:example.com"), "invalid_value", URL),
    "a port too large": (image("https://example.com:99999/"), "invalid_value", URL),
    "half an address": (image("http://[::1/a"), "invalid_value", URL),
    "a space": (image("https://example.com/a b"), "invalid_value", URL),
    "a line feed": (image("https://example.com/\n"), "invalid_value", URL),
    "a backslash": (image("https://example.com\\@b.example/"), "invalid_value", URL),
    "a very long URL": (image("https://example.com/" + "a" * STEP), "invalid_value", URL),
    "no base64": (image("data:image/png;base64,a?b="), "invalid_value", URL),
    "base64 for URLs": (image("data:image/png;base64,a-b_"), "invalid_value", URL),
    "too short": (image("data:image/png;base64,AAAAA"), "invalid_value", URL),
    "empty": (image("data:image/png;base64,"), "invalid_value", URL),
    "padding alone": (image("data:image/png;base64,===="), "invalid_value", URL),
    "padding inside": (image("data:image/png;base64,AA==AAAA"), "invalid_value", URL),
    "lines": (image("data:image/png;base64,AAAA\nAAAA"), "invalid_value", URL),
    "not base64 at all": (image("data:image/svg+xml,<svg/>"), "invalid_value", URL),
    "of no type": (image("data:;base64,AAAA"), "invalid_value", URL),
    "a sound as an image": (image("data:audio/wav;base64,AAAA"), "invalid_value", URL),
    "no data": (sound(data=None), "missing_required_parameter", DATA),
    "data a number": (sound(data=1), "invalid_type", DATA),
    "data empty": (sound(data=""), "invalid_value", DATA),
    "data a URL": (sound(data="data:audio/wav;base64,AAAA"), "invalid_value", DATA),
    "no format": (
        sound(format=None),
        "missing_required_parameter",
        f"{DATA[:-5]}.format",
    ),
    "another format": (sound(format="flac"), "invalid_value", f"{DATA[:-5]}.format"),
    "format a number": (sound(format=3), "invalid_type", f"{DATA[:-5]}.format"),
    "no sound": ({"type": "input_audio", "input_audio": "x"}, "invalid_type", DATA[:-5]),
}


@pytest.mark.parametrize("outlined", [False, True])
@pytest.mark.parametrize(("part", "code", "param"), BAD.values(), ids=BAD.keys())
def test_a_part_is_refused_with_its_place(
    part: dict[str, Any], code: str, param: str, outlined: bool
) -> None:
    error = refused(chat(part), outlined=outlined)
    assert (error.code, error.param) == (code, param)


LARGE = {
    "a picture of 30 MB": chat(image("data:image/png;base64," + "iVBO" * 10 * MIB)),
    "one with escaped slashes": chat(image("data:image/png;base64," + "i/BO" * 5 * MIB)).replace(
        b"/", b"\\/"
    ),
    "as many as there may be": chat(*[image(PNG)] * (MAX_MEDIA - 1), image(PNG + "A" * 2 * MIB)),
    "a picture behind many messages": json.dumps(
        {
            "messages": [
                *[{"role": "user", "content": "some more words"}] * 19_000,
                {"role": "user", "content": [image("data:image/png;base64," + "A" * MIB)]},
            ]
        }
    ).encode(),
    "a picture behind many parts": chat(
        *[{"type": "text", "text": "some more words"}] * 19_000,
        image("data:image/png;base64," + "A" * MIB),
    ),
}
LARGE["as many as there may be"] = LARGE["as many as there may be"].replace(b"Ggo=AA", b"GgoAAA")


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE.keys())
def test_a_large_body_is_checked_in_short_steps(body: bytes) -> None:
    assert needs_outline(body)
    assert checked(body, outlined=True) < 0.05


@pytest.mark.parametrize("at", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("name", LARGE)
def test_one_wrong_character_of_a_large_picture_is_found(name: str, at: float) -> None:
    body = bytearray(LARGE[name])
    start = body.rindex(b"base64,") + 300
    place = start + int(at * (len(body) - start - 100))
    body[body.index(b"B" if b"B" in body[place:] else b"A", place)] = ord("?")
    error = refused(bytes(body), outlined=True)
    assert error.param is not None
    assert error.param.endswith(".image_url.url")


def test_too_many_are_refused() -> None:
    with pytest.raises(ApiError, match="1,000 content parts that are not text"):
        read_request(Operation.CHAT_COMPLETIONS, chat(*[image(PNG)] * (MAX_MEDIA + 1)))


JUNK = {f"{number:x}": 1 for number in range(300_000)}


@pytest.mark.parametrize(
    "body",
    [
        chat(image(PNG) | JUNK),
        chat({"type": "image_url", "image_url": {"url": PNG, **JUNK}}),
        json.dumps({"messages": [{"role": "user", "content": [image(PNG)], **JUNK}]}).encode(),
    ],
    ids=["of a part", "of an image", "of a message"],
)
def test_very_many_members_are_refused_in_short_steps(body: bytes) -> None:
    made = in_steps(outline_of(body))[0]
    media = read_request(Operation.CHAT_COMPLETIONS, body, made).media
    begun = time.thread_time()
    with pytest.raises(ApiError, match="besides its content") as caught:
        in_steps(check_media(body, made, media))
    assert time.thread_time() - begun < 0.05
    assert caught.value.code == "request_too_complex"


def test_a_member_twice_is_refused_in_a_large_body() -> None:
    body = (
        b'{"messages":[{"content":"a","content":[{"type":"image_url","image_url":{"url":"%b"}}]}]}'
    )
    with pytest.raises(ApiError, match="has a member twice"):
        checked(body % PNG.encode(), outlined=True)
    checked(body % PNG.encode())


@given(
    st.binary(min_size=1, max_size=200),
    st.integers(0, 400),
    st.sampled_from("?=A \n-"),
    st.booleans(),
)
@example(b"a", 2, "A", True)
@example(b"abc", 3, "=", True)
def test_base64_is_what_python_decodes(data: bytes, at: int, other: str, outlined: bool) -> None:
    text = base64.b64encode(data).decode()
    at = min(at, len(text))
    text = text[:at] + other + text[at + 1 :]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "STEP", 64)
        try:
            base64.b64decode(text, validate=True)
            canonical = len(text) % 4 == 0
        except ValueError:
            canonical = False
        body = chat(image(f"data:image/png;base64,{text}"))
        if canonical:
            checked(body, outlined=outlined)
        else:
            refused(body, outlined=outlined)


@given(st.text(), st.integers(12, 40), st.randoms(use_true_random=False))
def test_a_text_says_the_same_in_pieces(text: str, step: int, chance: Any) -> None:
    written = "".join(
        f"\\u{ord(one):04x}"
        if chance.random() < 0.3 and ord(one) < 0xD800
        else json.dumps(one, ensure_ascii=False)[1:-1]
        for one in text
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "STEP", step)
        pieces = list(plain_pieces(memoryview(written.encode())))
    if not written.isascii():
        return  # a piece may end within a character
    assert b"".join(pieces).decode() == text


FULL = chat(image(PNG), sound(), image("https://example.com/a"), GOOD["the URL of a sound"])
PIECES = [
    *(b'"', b"\\", b"{", b"}", b"[", b",", b":", b"null", b'"url"', b"\\ud800", b"\\u0041", b"="),
    *(b'{"type":"image_url","image_url":{"url":"https://a/"}},', b'"format":"\\udc00"', b"\xff"),
]


@settings(max_examples=400)
@given(st.data(), st.booleans())
def test_a_mutated_body_is_taken_or_refused(data: st.DataObject, outlined: bool) -> None:
    body = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(start + 12, len(body))))
        body = body[:start] + data.draw(st.sampled_from(PIECES)) + body[end:]
    try:
        checked(body, outlined=outlined)
    except ApiError as caught:
        error = caught
    else:
        return
    assert error.status == 400
    json.loads(error.body())


@pytest.mark.parametrize("outlined", [False, True])
def test_half_of_a_surrogate_pair_is_no_format(outlined: bool) -> None:
    body = chat(sound()).replace(b'"wav"', b'"\\udc00"')
    with pytest.raises(ApiError) as caught:
        checked(body, outlined=outlined)
    assert caught.value.code == "invalid_json"


def test_the_time_of_a_step_is_measured_where_it_is_spent() -> None:
    before = time.thread_time()
    longest = checked(LARGE["a picture of 30 MB"], outlined=True)
    assert longest < time.thread_time() - before
