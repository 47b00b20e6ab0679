"""What a body asks for, what is refused in it, and the bytes that go to Vast."""

import gzip
import json
import random
import re
import time
import tracemalloc
import zlib
from collections.abc import Callable, Generator
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from vast_intercept.openai_api.content_coding import decode_content as decode_in_steps
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.limits import STEP
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.requests import (
    GenerationRequest,
    check_content_type,
    outline_of,
    read_request,
)

CHAT, TEXT = Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS
LEFT_OUT = {"suffix"}


def decode_content(body: bytes, coding: str, limit: int) -> bytes:
    return bytes(at_once(decode_in_steps(body, coding, limit)))


def at_once[T](work: Generator[None, None, T]) -> T:
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def refused(body: bytes, operation: Operation = CHAT) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read_request(operation, body)
    return caught.value


# --- what it asks for ----------------------------------------------------------------------------

ASKED = {
    "model, no stream": (b'{"messages":[],"model":"gpt-4o"}', "gpt-4o", False),
    "model and stream": (b'{"stream":true,"messages":[],"model":"m"}', "m", True),
    "stream false": (b'{"stream":false,"messages":[]}', None, False),
    "stream null": (b'{"stream":null,"messages":[]}', None, False),
    "model null": (b'{"model":null,"messages":[]}', None, False),
    "model empty": (b'{"model":"","messages":[]}', "", False),
    "model escaped": (rb'{"model":"gpt\u002d4\n\ud83d\ude00","messages":[]}', "gpt-4\n😀", False),
    "name of the model escaped": (rb'{"\u006dodel":"m","messages":[]}', "m", False),
    "model in a nested object only": (
        b'{"messages":[],"x":{"model":"m","stream":true}}',
        None,
        False,
    ),
    "the last of two models": (b'{"model":"a","messages":[],"model":"b"}', "b", False),
    "white space": (b' \n{\t"model" : "m"\r,"messages": [ ] } \n', "m", False),
}


@pytest.mark.parametrize(("body", "model", "stream"), ASKED.values(), ids=ASKED.keys())
def test_a_body_asks_for(body: bytes, model: str | None, stream: bool) -> None:
    request = read_request(CHAT, body)
    assert (request.model, request.stream) == (model, stream)


@pytest.mark.parametrize(
    "prompt", [b'""', b'"hi"', b'["a","b"]', b"[1,2,3]", b"[[1],[2]]"], ids=bytes.decode
)
def test_a_prompt_may_be(prompt: bytes) -> None:
    body = b'{"prompt":' + prompt + b"}"
    assert read_request(TEXT, body).body == body


# --- what goes to Vast ---------------------------------------------------------------------------

SENT = {
    "nothing to change": (b' {"messages" : [ ]}\n', b' {"messages" : [ ]}\n', ()),
    "model emptied": (b'{"model":"gpt-4o","messages":[]}', b'{"model":"","messages":[]}', ()),
    "model at the end": (b'{"messages":[], "model" : "m" }', b'{"messages":[], "model" : "" }', ()),
    "model null": (b'{"model":null,"messages":[]}', b'{"model":"","messages":[]}', ()),
    "model with an escaped quote": (
        rb'{"model":"a\"},\\","messages":[]}',
        b'{"model":"","messages":[]}',
        (),
    ),
    "model with an escaped name": (
        rb'{"\u006dod\u0065l":"m","messages":[]}',
        rb'{"\u006dod\u0065l":"","messages":[]}',
        (),
    ),
    "suffix first": (b'{"suffix":"x", "messages":[]}', b'{ "messages":[]}', ("suffix",)),
    "suffix with an escaped name": (
        rb'{"\u0073uffix":"x","messages":[]}',
        b'{"messages":[]}',
        ("suffix",),
    ),
    "suffix in the middle": (
        b'{"messages":[],\n "suffix": false,\n "n":1}',
        b'{"messages":[],\n "n":1}',
        ("suffix",),
    ),
    "parallel_tool_calls as it is": (
        b'{"parallel_tool_calls": false,"model":"m","messages":[]}',
        b'{"parallel_tool_calls": false,"model":"","messages":[]}',
        (),
    ),
    "suffix last": (b'{"messages":[] ,"suffix":null}', b'{"messages":[] }', ("suffix",)),
    "suffix, and model behind it": (
        b'{"suffix":"","model":"m","parallel_tool_calls":true,"messages":[]}',
        b'{"model":"","parallel_tool_calls":true,"messages":[]}',
        ("suffix",),
    ),
    "suffix is an object with braces": (
        b'{"suffix":{"a":"},{","b":[1,{"c":"]"}]},"messages":[]}',
        b'{"messages":[]}',
        ("suffix",),
    ),
    "the same names further in": (
        b'{"messages":[{"model":"a","suffix":"b"}],"x":{"suffix":1,"model":{}},"model":"m"}',
        b'{"messages":[{"model":"a","suffix":"b"}],"x":{"suffix":1,"model":{}},"model":""}',
        (),
    ),
    "numbers and order as they are": (
        b'{"z":1.0e+05,"model":"m","a":123456789012345678901234567890,"n":-0.0,"messages":[]}',
        b'{"z":1.0e+05,"model":"","a":123456789012345678901234567890,"n":-0.0,"messages":[]}',
        (),
    ),
    "escapes as they are": (
        rb'{"s":"\u00e9\/\ud83d\ude00\t","model":"m","messages":[{"content":"\u0022\\"}]}',
        rb'{"s":"\u00e9\/\ud83d\ude00\t","model":"","messages":[{"content":"\u0022\\"}]}',
        (),
    ),
    "letters of other scripts": (
        '{"messages":[{"content":"žluťoučký 🐎"}],"model":"model-é"}'.encode(),
        '{"messages":[{"content":"žluťoučký 🐎"}],"model":""}'.encode(),
        (),
    ),
    "names that only look alike": (
        b'{"messages":[],"Model":"a","models":"b","suffix ":"c","model":"m"}',
        b'{"messages":[],"Model":"a","models":"b","suffix ":"c","model":""}',
        (),
    ),
    "twice the same": (
        b'{"model":"m","messages":[],"model":"m"}',
        b'{"model":"","messages":[],"model":""}',
        (),
    ),
    "max_completion_tokens alone": (
        b'{"max_completion_tokens": 64 ,"messages":[]}\n',
        b'{"max_completion_tokens": 64 ,"messages":[],"max_tokens":64}\n',
        (),
    ),
    "max_completion_tokens with an escaped name": (
        rb'{"messages":[],"max_c\u006fmpletion_tokens":100}',
        rb'{"messages":[],"max_c\u006fmpletion_tokens":100,"max_tokens":100}',
        (),
    ),
    "max_completion_tokens, and max_tokens null": (
        b'{"max_tokens" : null, "messages":[],"max_completion_tokens":7}',
        b'{"max_tokens" : 7, "messages":[],"max_completion_tokens":7}',
        (),
    ),
    "max_completion_tokens and max_tokens": (
        b'{"max_tokens":5,"messages":[],"max_completion_tokens":7}',
        b'{"max_tokens":5,"messages":[],"max_completion_tokens":7}',
        (),
    ),
    "max_completion_tokens null": (
        b'{"messages":[],"max_completion_tokens":null}',
        b'{"messages":[],"max_completion_tokens":null}',
        (),
    ),
    "max_completion_tokens that is no limit": (
        b'{"messages":[],"max_completion_tokens":0}',
        b'{"messages":[],"max_completion_tokens":0}',
        (),
    ),
    "max_completion_tokens that is no number": (
        b'{"messages":[],"max_completion_tokens":"64"}',
        b'{"messages":[],"max_completion_tokens":"64"}',
        (),
    ),
    "max_tokens null": (b'{"messages":[], "max_tokens":null}', b'{"messages":[]}', ()),
    "max_tokens null, and model behind it": (
        b'{"max_tokens":null,"model":"m","messages":[]}',
        b'{"model":"","messages":[]}',
        (),
    ),
    "both null": (
        b'{"max_tokens":null,"max_completion_tokens":null,"messages":[]}',
        b'{"max_completion_tokens":null,"messages":[]}',
        (),
    ),
    "max_completion_tokens twice": (
        b'{"max_completion_tokens":5,"messages":[], "max_completion_tokens":7}',
        b'{"max_completion_tokens":7,"messages":[],"max_tokens":7}',
        (),
    ),
    "max_tokens twice, null in the end": (
        b'{"max_tokens":5,"messages":[],"max_tokens":null}',
        b'{"messages":[]}',
        (),
    ),
    "user and detail": (
        b'{"messages":[],"user":"u","store":true,"metadata":{"detail":"low"}}',
        b'{"messages":[],"user":"u","store":true,"metadata":{"detail":"low"}}',
        (),
    ),
}


@pytest.mark.parametrize(("body", "sent", "left_out"), SENT.values(), ids=SENT.keys())
def test_a_body_goes_out(body: bytes, sent: bytes, left_out: tuple[str, ...]) -> None:
    request = read_request(CHAT, body)
    assert (request.body, request.left_out) == (sent, left_out)


LIMITS = st.none() | st.integers(-1, 99) | st.sampled_from([0.5, "7", [1], True, 10**30])
ABSENT = object()


@given(st.just(ABSENT) | LIMITS, st.just(ABSENT) | LIMITS, st.sampled_from([CHAT, TEXT]), st.data())
def test_the_worker_gets_a_limit_that_it_counts(
    new: Any, old: Any, operation: Operation, data: st.DataObject
) -> None:
    """FACTS V15. A text completion has the new name, too, if an app sends it."""
    given_limits = {"max_completion_tokens": new, "max_tokens": old}
    members = {name: value for name, value in given_limits.items() if value is not ABSENT}
    required = {"messages": [{"content": "x" * 300}], "prompt": "x" * 300, "model": "m"}
    names = data.draw(st.permutations([*required, *members]))
    body = json.dumps({name: (required | members)[name] for name in names}).encode()
    outlined = at_once(outline_of(body)) if data.draw(st.booleans()) else None
    request = read_request(operation, body, outlined)
    expected = required | members | {"model": ""}
    if expected.get("max_tokens") is None:
        expected.pop("max_tokens", None)
        if type(new) is int and new >= 1:
            expected["max_tokens"] = new
    assert json.loads(request.body) == expected
    assert request.left_out == ()


def test_null_for_the_limit_is_left_out_of_a_large_body() -> None:
    text = json.dumps("x" * 2_000_000)
    body = f'{{"max_tokens":null,"messages":[{{"content":{text}}}],"model":"m"}}'.encode()
    request = read_request(CHAT, body, at_once(outline_of(body)))
    assert request.body == f'{{"messages":[{{"content":{text}}}],"model":""}}'.encode()


@pytest.mark.parametrize("name", ["model", "suffix", "parallel_tool_calls", "messages", "x"])
def test_of_a_name_that_comes_twice_the_last_one_counts(name: str) -> None:
    """As for Python's parser, so that we decide on what vLLM sees."""
    values = {"model": '"last"', "messages": '[{"content":"last"}]', "x": "[1]"}
    last = values.get(name, "true")
    body = f'{{"messages":[],"model":"m","{name}":null,"y":1,"{name}":{last}}}'.encode()
    sent = json.loads(read_request(CHAT, body).body)
    expected = {"model": "", "messages": [], "y": 1} | {name: json.loads(last)}
    expected["model"] = ""
    assert sent == {key: value for key, value in expected.items() if key not in LEFT_OUT}


def test_the_last_of_two_contents_counts() -> None:
    body = b'{"messages":[{"content":"text","content":[{"type":"file"}]}]}'
    assert refused(body).code == "unsupported_content"


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["file", "video_url", "image_embeds", "input_image", "Image_url", "Text", "", "te\\u0000xt"],
)
def test_a_content_part_is_refused_with_its_place(kind: str) -> None:
    body = (
        '{"messages":[{"content":"a"},{"content":[{"type":"text","text":"b"}]},'
        f'{{"role":"user","content":[{{"type":"text","text":"c"}},{{"x":{{}},"type":"{kind}"}}]}}]}}'
    ).encode()
    error = refused(body)
    assert (error.status, error.code) == (400, "unsupported_content")
    assert error.param == "messages[2].content[1]"
    assert error.param in error.message


@pytest.mark.parametrize("kind", ["text", "refusal", r"te\u0078t"])
def test_a_content_part_of_text_goes_to_vast(kind: str) -> None:
    part = f'{{"{kind}":"x","type":"{kind}"}}'
    body = f'{{"messages":[{{"content":[{part}, {part}]}}]}}'.encode()
    assert read_request(CHAT, body).body == body


def test_a_content_part_behind_escaped_names_is_found() -> None:
    body = rb'{"\u006dessages":[{"c\u006fntent":[{"t\u0079pe":"video\u005furl"}]}]}'
    assert refused(body).param == "messages[0].content[0]"


@pytest.mark.parametrize("content", ["null", '""', '"a [ b"', "[]", '[{"type":"text"}]'])
def test_content_may_be(content: str) -> None:
    body = f'{{"messages":[{{"role":"user","content": {content} }},{{}}]}}'.encode()
    assert read_request(CHAT, body).body == body


OUTPUT = {
    "modalities null": (b"null", b"null", None),
    "modalities empty": (b"[]", b"null", None),
    "text only": (b'["text"]', b"null", None),
    "audio too": (b'["text","audio"]', b"null", "modalities"),
    "audio only": (b'["audio"]', b"null", "modalities"),
    "an image": (b'["image"]', b"null", "modalities"),
    "an audio object": (b'["text"]', b'{"voice":"alloy"}', "audio"),
    "an empty audio object": (b"null", b"{}", "audio"),
    "audio false": (b"null", b"false", "audio"),
}


@pytest.mark.parametrize(("modalities", "audio", "param"), OUTPUT.values(), ids=OUTPUT.keys())
def test_output_is_text(modalities: bytes, audio: bytes, param: str | None) -> None:
    body = b'{"messages":[],"modalities":' + modalities + b', "audio" : ' + audio + b" }"
    if param is None:
        assert read_request(CHAT, body).body == body
    else:
        error = refused(body)
        assert (error.status, error.code, error.param) == (400, "unsupported_parameter", param)


GOOD = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()

BAD: dict[str, tuple[bytes, str, str | None]] = {
    "empty": (b"", "invalid_json", None),
    "blank": (b" \r\n\t", "invalid_json", None),
    "no JSON": (b"model=gpt-4", "invalid_json", None),
    "an array": (b"[" + GOOD + b"]", "invalid_json", None),
    "a text": (b'"messages"', "invalid_json", None),
    "a number": (b"42", "invalid_json", None),
    "null": (b"null", "invalid_json", None),
    "cut short": (GOOD[:-1], "invalid_json", None),
    "something behind it": (GOOD + b"x", "invalid_json", None),
    "two objects": (GOOD + GOOD, "invalid_json", None),
    "a BOM": (b"\xef\xbb\xbf" + GOOD, "invalid_json", None),
    "UTF-16 with BOM": (GOOD.decode().encode("utf-16"), "invalid_json", None),
    "UTF-16 without BOM": (GOOD.decode().encode("utf-16-be"), "invalid_json", None),
    "UTF-32": (GOOD.decode().encode("utf-32"), "invalid_json", None),
    "Latin-1": ('{"messages":[{"content":"é"}]}'.encode("latin-1"), "invalid_json", None),
    "invalid UTF-8 in a field nobody reads": (
        b'{"messages":[],"x":"\xc0\x80"}',
        "invalid_json",
        None,
    ),
    "a surrogate as UTF-8": (b'{"messages":[],"x":"\xed\xa0\x80"}', "invalid_json", None),
    "half a surrogate pair": (rb'{"messages":[],"x":"\ud800"}', "invalid_json", None),
    "half a surrogate pair in model": (rb'{"messages":[],"model":"\udc00"}', "invalid_json", None),
    "NaN": (b'{"messages":[],"x":NaN}', "invalid_json", None),
    "Infinity": (b'{"messages":[],"x":[-Infinity]}', "invalid_json", None),
    "a leading zero": (b'{"messages":[],"x":01}', "invalid_json", None),
    "a comma too many": (b'{"messages":[],}', "invalid_json", None),
    "single quotes": (b"{'messages':[]}", "invalid_json", None),
    "a comment": (b'{"messages":[]/**/}', "invalid_json", None),
    "a line feed in a text": (b'{"messages":[],"x":"a\nb"}', "invalid_json", None),
    "an unknown escape": (rb'{"messages":[],"x":"\x41"}', "invalid_json", None),
    "arrays 10,000 deep": (
        b'{"messages":[],"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        "invalid_json",
        None,
    ),
    "arrays 1,000,000 deep": (
        b'{"messages":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        "invalid_json",
        None,
    ),
    "objects 1,000,000 deep, open": (b'{"a":' * 1_000_000, "invalid_json", None),
    "no messages": (b'{"model":"m"}', "missing_required_parameter", "messages"),
    "no members": (b"{}", "missing_required_parameter", "messages"),
    "a prompt for a chat": (b'{"prompt":"hi"}', "missing_required_parameter", "messages"),
    "messages null": (b'{"messages":null}', "missing_required_parameter", "messages"),
    "messages a text": (b'{"messages":"hi"}', "invalid_type", "messages"),
    "messages an object": (b'{"messages":{"role":"user"}}', "invalid_type", "messages"),
    "a message is a text": (b'{"messages":[{},"hi"]}', "invalid_type", "messages[1]"),
    "a message is null": (b'{"messages":[null]}', "invalid_type", "messages[0]"),
    "a message is an array": (b'{"messages":[[]]}', "invalid_type", "messages[0]"),
    "content a number": (b'{"messages":[{"content":1}]}', "invalid_type", "messages[0].content"),
    "content true": (b'{"messages":[{"content":true}]}', "invalid_type", "messages[0].content"),
    "content an object": (
        b'{"messages":[{"content":{"type":"text"}}]}',
        "invalid_type",
        "messages[0].content",
    ),
    "a part is a text": (
        b'{"messages":[{"content":["hi"]}]}',
        "invalid_type",
        "messages[0].content[0]",
    ),
    "a part without a type": (
        b'{"messages":[{"content":[{"text":"hi"}]}]}',
        "unsupported_content",
        "messages[0].content[0]",
    ),
    "a part whose type is a number": (
        b'{"messages":[{"content":[{"type":1}]}]}',
        "invalid_type",
        "messages[0].content[0].type",
    ),
    "stream a text": (b'{"messages":[],"stream":"true"}', "invalid_type", "stream"),
    "stream a number": (b'{"messages":[],"stream":1}', "invalid_type", "stream"),
    "model a number": (b'{"messages":[],"model":4}', "invalid_type", "model"),
    "model an array": (b'{"messages":[],"model":["m"]}', "invalid_type", "model"),
    "modalities a text": (b'{"messages":[],"modalities":"audio"}', "invalid_type", "modalities"),
    "a modality is null": (b'{"messages":[],"modalities":[null]}', "invalid_type", "modalities[0]"),
}


@pytest.mark.parametrize(("body", "code", "param"), BAD.values(), ids=BAD.keys())
def test_a_bad_body_is_refused(body: bytes, code: str, param: str | None) -> None:
    error = refused(body)
    assert (error.status, error.type, error.code, error.param) == (
        400,
        "invalid_request_error",
        code,
        param,
    )
    assert error.retry is False
    assert len(error.message) < 500


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"messages":[]}', "missing_required_parameter"),
        (b'{"prompt":null}', "missing_required_parameter"),
        (b"[]", "invalid_json"),
    ],
    ids=["messages for a completion", "prompt null", "an array"],
)
def test_a_completion_needs_a_prompt(body: bytes, code: str) -> None:
    error = refused(body, TEXT)
    assert error.code == code


def test_the_place_of_invalid_utf_8_is_named() -> None:
    assert "byte 20" in refused(b'{"messages":[],"x":"\xff"}').message


def test_a_long_body_is_read_without_walking_through_it() -> None:
    prompt = json.dumps('a "quoted" \\ text \n' * 1_000_000)
    body = f'{{"messages":[{{"content":{prompt}}}],"model":"m","suffix":""}}'.encode()
    began = time.perf_counter()
    sent = read_request(CHAT, body).body
    assert time.perf_counter() - began < 2
    assert sent == f'{{"messages":[{{"content":{prompt}}}],"model":""}}'.encode()


# --- properties ----------------------------------------------------------------------------------

NUMBERS = ["0", "-0", "-0.0", "1e5", "1E+05", "1.10", "1e400", "9" * 40, "0.1000000000000000055"]
READ = {"model", "stream", "messages", "prompt", "modalities", "audio"}
NAMES = st.text(max_size=8).filter(lambda name: name not in READ | LEFT_OUT)
VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from(NUMBERS).map(json.loads) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.sampled_from([*READ, *LEFT_OUT]), inner, max_size=4)
    ),
    max_leaves=8,
)


def render(value: Any, chance: random.Random) -> str:
    """JSON with random white space, random escapes and unusual spellings of numbers."""

    def blank() -> str:
        return "".join(chance.choices(" \t\n\r", k=chance.choice([0, 0, 0, 1, 3])))

    def text(content: str) -> str:
        return '"' + "".join(map(character, content)) + '"'

    def character(one: str) -> str:
        if chance.random() < 0.2 and ord(one) < 0x10000:
            return f"\\u{ord(one):04{chance.choice('xX')}}"
        if one == "/" and chance.random() < 0.5:
            return r"\/"
        return json.dumps(one, ensure_ascii=chance.random() < 0.5)[1:-1]

    if isinstance(value, dict):
        members = [
            blank() + text(name) + blank() + ":" + blank() + render(member, chance) + blank()
            for name, member in value.items()
        ]
        return "{" + (",".join(members) or blank()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(blank() + render(item, chance) + blank() for item in value) + "]"
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return chance.choice(NUMBERS)
    return json.dumps(value)


def members_of(text: str) -> list[tuple[str, str, str]]:
    """Name, text up to the value, and text of the value with what follows: with Python's parser."""
    decoder = json.JSONDecoder()
    blank = re.compile(r"[ \t\n\r]*")

    def skip(position: int) -> int:
        match = blank.match(text, position)
        assert match
        return match.end()

    members = []
    start = position = text.index("{") + 1
    while text[skip(position)] != "}":
        name, position = decoder.raw_decode(text, skip(position))
        position = skip(skip(position) + len(":"))
        value_at = position
        _, value_end = decoder.raw_decode(text, position)
        position = skip(value_end)
        after = text[value_end:position]
        members.append((name, text[start:value_at], text[value_at:value_end] + after))
        if text[position] == "}":
            break
        start = position = position + 1
    return members


def same_numbers(text: str | bytes) -> Any:
    """The document, with its numbers as they are spelled."""
    return json.loads(text, parse_int=str, parse_float=str)


@given(st.data())
def test_only_what_must_be_is_changed(data: st.DataObject) -> None:
    document = data.draw(st.dictionaries(NAMES, VALUES, max_size=4))
    operation = data.draw(st.sampled_from([CHAT, TEXT]))
    document["messages" if operation is CHAT else "prompt"] = []
    special = {"model": st.none() | st.text(), "suffix": VALUES, "parallel_tool_calls": VALUES}
    for name in data.draw(st.sets(st.sampled_from(sorted(special)))):
        document[name] = data.draw(special[name])
    ordered = dict(data.draw(st.permutations(list(document.items()))))
    chance = data.draw(st.randoms(use_true_random=False))
    text = render(ordered, chance)

    request = read_request(operation, text.encode())

    assert request.model == document.get("model")
    assert set(request.left_out) == LEFT_OUT & set(document)
    expected = {name: value for name, value in same_numbers(text).items() if name not in LEFT_OUT}
    if "model" in expected:
        expected["model"] = ""
    sent = request.body.decode()
    assert same_numbers(sent) == expected
    # And to the byte: each member as it was, in the order that it was.
    assert members_of(sent) == [
        (name, before, '""' + re.sub(r'^(null|"(\\.|[^"\\])*")', "", value))
        if name == "model"
        else (name, before, value)
        for name, before, value in members_of(text)
        if name not in LEFT_OUT
    ]


@given(st.sampled_from([CHAT, TEXT]), st.binary())
def test_any_bytes_are_a_request_or_an_error(operation: Operation, body: bytes) -> None:
    read_or_refuse(operation, body)


CODES = {
    "invalid_json",
    "invalid_type",
    "missing_required_parameter",
    "unsupported_content",
    "unsupported_parameter",
}


def read_or_refuse(operation: Operation, body: bytes) -> GenerationRequest | None:
    try:
        return read_request(operation, body)
    except ApiError as caught:
        error = caught
    assert error.status == 400
    assert error.code in CODES
    json.loads(error.body())
    return None


FULL = (
    rb'{"model": "gpt-4o", "messages": [{"content":[{"type":"text","text":"\u00e9"}]},'
    b'{"content":"\xf0\x9f\x90\x8e"}],\n"stream":true,"suffix":"a","modalities":["text"],'
    rb'"parallel_tool_calls":false,"audio":null,"x":{"model":[1.5e3,-0,"\"}\\"]}, "prompt":"p"}'
)
PIECES = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b'"model"', b'"suffix":1,']


@settings(max_examples=500)
@given(st.data())
def test_a_mutated_body_is_a_request_or_an_error(data: st.DataObject) -> None:
    body = FULL
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(start + 12, len(body))))
        piece = data.draw(
            st.sampled_from(PIECES)
            | st.binary(max_size=2)
            | st.integers(0, len(body)).map(lambda at, body=body: body[at : at + 10])
        )
        body = body[:start] + piece + body[end:]
    operation = data.draw(st.sampled_from([CHAT, TEXT]))
    request = read_or_refuse(operation, body)
    if request is None:
        return
    # What is sent is what Python's parser, of vLLM's side, takes the app's body for.
    expected = {name: value for name, value in same_numbers(body).items() if name not in LEFT_OUT}
    if "model" in expected:
        expected["model"] = ""
    assert same_numbers(request.body) == expected


# --- content encoding and content type -----------------------------------------------------------

LIMIT = 1_000_000
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}
ENCODED = {
    "": GOOD,
    "identity": GOOD,
    " Identity ": GOOD,
    "gzip": gzip.compress(GOOD),
    "GZIP": gzip.compress(GOOD),
    "x-gzip": gzip.compress(GOOD),
    "deflate": zlib.compress(GOOD),
    "Deflate": zlib.compress(GOOD, wbits=-15),  # without zlib's header
    "br": brotli.compress(GOOD),
    "zstd": zstandard.compress(GOOD),
}


@pytest.mark.parametrize(("encoding", "body"), ENCODED.items(), ids=map(repr, ENCODED))
def test_an_encoding_is_undone(encoding: str, body: bytes) -> None:
    assert decode_content(body, encoding, LIMIT) == GOOD


def test_gzip_with_something_behind_it_is_read_up_to_there() -> None:
    assert decode_content(gzip.compress(GOOD) + b"\0\0rubbish", "gzip", LIMIT) == GOOD


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
)
def test_one_member_after_the_other_is_read(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    members = b"".join(compress(GOOD[at : at + 5]) for at in range(0, len(GOOD), 5))
    assert decode_content(members, coding, LIMIT) == GOOD
    assert decode_content(members + compress(b"") + b"\0", coding, LIMIT) == GOOD
    with pytest.raises(ApiError, match="ends too early"):
        decode_content(members[:-1], coding, LIMIT)


@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 10 * STEP])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_it_does_not_matter_where_a_step_ends(coding: str, size: int) -> None:
    noise = random.Random(size).randbytes(size)
    for body in (noise, noise[:1000] * (size // 1000)):
        assert decode_content(COMPRESS[coding](body), coding, LIMIT) == body


def with_large_window(body: bytes) -> bytes:
    """Its decoder needs 128 MiB."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(body) + compressor.flush()


# What becomes much of little, or is nothing but work.
BOMBS = {
    "gzip": (gzip.compress(bytes(30_000_000)), "gzip", "request_too_large"),
    "deflate": (zlib.compress(bytes(30_000_000)), "deflate", "request_too_large"),
    "br": (brotli.compress(bytes(30_000_000), quality=4), "br", "request_too_large"),
    "zstd": (zstandard.compress(bytes(30_000_000)), "zstd", "request_too_large"),
    "a large window": (with_large_window(GOOD), "zstd", "invalid_encoding"),
    "many empty members": (gzip.compress(b"") * 100_000, "gzip", "invalid_encoding"),
    "many empty frames": (zstandard.compress(b"") * 100_000, "zstd", "invalid_encoding"),
    "many empty blocks": (
        zstandard.compress(b"")[:4] + b"\0\x48" + b"\0\0\0" * 1_000_000,
        "zstd",
        "invalid_encoding",
    ),
    "many stored blocks": (b"\0\0\0\xff\xff" * 1_000_000, "deflate", "invalid_encoding"),
    "cut br": (brotli.compress(bytes(1000))[:-1], "br", "invalid_encoding"),
    "cut zstd": (zstandard.compress(bytes(1000))[:-1], "zstd", "invalid_encoding"),
    "something behind br": (brotli.compress(GOOD) + b"x", "br", "invalid_encoding"),
}


@pytest.mark.parametrize(("body", "coding", "code"), BOMBS.values(), ids=BOMBS.keys())
def test_what_is_compressed_is_undone_in_short_steps(body: bytes, coding: str, code: str) -> None:
    work = decode_in_steps(body, coding, 64_000_000)
    longest = 0.0
    with pytest.raises(ApiError) as caught:  # noqa: PT012
        while True:
            before = time.thread_time()
            try:
                next(work)
            finally:
                longest = max(longest, time.thread_time() - before)
    assert caught.value.code == code
    assert longest < 0.05
    if code == "request_too_large":
        assert "16,777,216 bytes" in caught.value.message


NOT_DECODED = {
    "not gzip": (GOOD, "gzip", "invalid_encoding"),
    "not deflate": (gzip.compress(GOOD), "deflate", "invalid_encoding"),
    "deflate where gzip is said": (zlib.compress(GOOD), "gzip", "invalid_encoding"),
    "cut gzip": (gzip.compress(GOOD)[:-9], "gzip", "invalid_encoding"),
    "gzip without its checksum": (gzip.compress(GOOD)[:-8], "gzip", "invalid_encoding"),
    "a wrong checksum": (gzip.compress(GOOD)[:-8] + b"\0" * 8, "gzip", "invalid_encoding"),
    "empty gzip": (b"", "gzip", "invalid_encoding"),
    "not br": (GOOD, "br", "invalid_encoding"),
    "not zstd": (GOOD, "zstd", "invalid_encoding"),
    "two encodings": (gzip.compress(GOOD), "gzip, br", "unsupported_encoding"),
    "gzip twice": (gzip.compress(gzip.compress(GOOD)), "gzip, gzip", "unsupported_encoding"),
    "nonsense": (GOOD, "\x00 é", "unsupported_encoding"),
}


@pytest.mark.parametrize(("body", "encoding", "code"), NOT_DECODED.values(), ids=NOT_DECODED.keys())
def test_an_encoding_is_refused(body: bytes, encoding: str, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        decode_content(body, encoding, LIMIT)
    assert (caught.value.status, caught.value.code) == (400, code)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_may_be_as_large_as_the_limit_and_no_larger(encoding: str) -> None:
    compress = COMPRESS[encoding]
    exact = bytes(LIMIT)
    assert decode_content(compress(exact), encoding, LIMIT) == exact
    with pytest.raises(ApiError) as caught:
        decode_content(compress(exact + b"\0"), encoding, LIMIT)
    assert (caught.value.status, caught.value.code) == (413, "request_too_large")
    assert "1,000,000 bytes" in caught.value.message


def test_a_gigabyte_of_zeros_costs_no_more_than_the_limit() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    megabyte = compressor.compress(bytes(1_000_000)) + compressor.flush(zlib.Z_FULL_FLUSH)
    bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + megabyte * 1_000 + compressor.flush()
    assert len(bomb) < 2_000_000
    tracemalloc.start()
    try:
        with pytest.raises(ApiError) as caught:
            decode_content(bomb, "gzip", LIMIT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.status == 413
    assert peak < 4 * LIMIT + len(bomb)


@given(st.binary(), st.sampled_from(["gzip", "deflate", "br", "zstd", "identity"]) | st.text())
def test_any_encoding_is_undone_or_refused(body: bytes, encoding: str) -> None:
    try:
        decode_content(body, encoding, LIMIT)
    except ApiError as caught:
        error = caught
    else:
        return
    assert error.status == 400
    json.loads(error.body())


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        " application/json ;x",
    ],
)
def test_a_content_type_is_taken(content_type: str) -> None:
    check_content_type(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/vnd.api+json",
        "text/plain; application/json",
        "\udcff",
    ],
)
def test_a_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_content_type(content_type)
    assert (caught.value.status, caught.value.code) == (400, "invalid_content_type")
    json.loads(caught.value.body())
