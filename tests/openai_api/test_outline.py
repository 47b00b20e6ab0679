"""The outline of a large body: the same decisions and the same bytes, in short steps."""

import json
import time
from collections.abc import Generator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vast_intercept.openai_api import limits, outline
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.requests import GenerationRequest, outline_of, read_request

CHAT = Operation.CHAT_COMPLETIONS
MIB = 1024 * 1024


def in_steps[T](work: Generator[None, None, T]) -> tuple[T, float]:
    """What the work returns, and the longest step's computing time in seconds."""
    longest = 0.0
    while True:
        before = time.thread_time()
        try:
            next(work)
        except StopIteration as done:
            return done.value, max(longest, time.thread_time() - before)
        finally:
            longest = max(longest, time.thread_time() - before)


def read(body: bytes, *, outlined: bool) -> GenerationRequest | str:
    try:
        made = in_steps(outline_of(body))[0] if outlined else None
        return read_request(CHAT, body, made)
    except ApiError as error:
        return error.code


def rendered(members: dict[str, str], blank: str = "") -> str:
    inner = f"{blank},{blank}".join(
        f"{name}{blank}:{blank}{value}" for name, value in members.items()
    )
    return f"{{{blank}{inner}{blank}}}"


# Rendered by hand: numbers, escapes and white space as apps may write them.
BLANKS = st.sampled_from(["", "", "", " ", "\n\t", " \r\n"])
TEXTS = st.text(max_size=80).map(lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0))
LONG = st.sampled_from(["a", "é", "🐎", "\\n", "\\u00e9", "\\ud83d\\ude00", '\\"', "\\\\"]).map(
    lambda piece: '"' + piece * 300 + '"'
)
NUMBERS = st.sampled_from(["0", "-1", "12345", "1.5", "-0.0e+3", "9" * 40])
MANY = st.lists(st.sampled_from(["0", "-7", "42 ", "\n1"]), max_size=60).map(
    lambda numbers: f"[{','.join(numbers)}]"
)
VALUES = st.recursive(
    TEXTS | LONG | NUMBERS | MANY | st.sampled_from(["null", "true", "[]", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda values: f"[{','.join(values)}]")
        | st.dictionaries(TEXTS | LONG, inner, max_size=4).map(rendered)
    ),
    max_leaves=10,
)
MESSAGES = st.lists(
    st.dictionaries(st.sampled_from(['"role"', '"content"', '"x"']), VALUES, max_size=3).map(
        rendered
    ),
    max_size=5,
).map(lambda messages: f"[{','.join(messages)}]")


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    members = draw(st.dictionaries(TEXTS, VALUES, max_size=3))
    members['"messages"'] = draw(MESSAGES | VALUES)
    for name, values in {
        '"model"': TEXTS,
        '"suffix"': VALUES,
        '"n"': NUMBERS,
        '"stream"': st.just("true"),
    }.items():
        if draw(st.booleans()):
            members[name] = draw(values)
    ordered = dict(draw(st.permutations(list(members.items()))))
    return rendered(ordered, draw(BLANKS)).encode()


@given(bodies(), st.integers(24, 200))
def test_a_body_is_read_as_without_it(body: bytes, step: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outline, "STEP", step)
        outlined = read(body, outlined=True)
    direct = read(body, outlined=False)
    if isinstance(direct, str) or isinstance(outlined, str):
        assert outlined == direct
        return
    assert outlined.body == direct.body
    for name in ("model", "stream", "left_out", "max_tokens", "choices"):
        assert getattr(outlined, name) == getattr(direct, name)


@given(bodies(), st.data())
@example(b'{"messages":[],"x":[1,2,3,]}', None)
@example(b'{"messages":[],"x":{"a":1,2,3,4,"b":5}}', None)
@example(b'{"messages":[],"x":[01,2,3,4]}', None)
@example(b'{"messages":[],"x":[1.,2,3,4]}', None)
@example(b'{"messages":[],"x":["' + b"\xff" * 300 + b'"]}', None)
@example(b'{"messages":[],"x":["' + b"\\ud800" * 300 + b'"]}', None)
@example(b'{"messages":[],"x":["' + b"a" * 300 + b"\x01" + b'"]}', None)
def test_what_is_no_json_stays_none(body: bytes, data: st.DataObject | None) -> None:
    """One byte of it is taken out, put in, or another."""
    if data:
        place = data.draw(st.integers(0, len(body)))
        new = data.draw(st.sampled_from([b"", b",", b'"', b"0", b"\\", b"]", b"\n", b"\xff"]))
        body = body[:place] + new + body[place + data.draw(st.integers(0, 1)) :]
    direct, outlined = read(body, outlined=False), read(body, outlined=True)
    if direct == "invalid_json" or outlined == "invalid_json":
        # A member that comes twice is refused only in a large body.
        twice = outlined == "invalid_json" and json_of(body) is not None
        assert outlined == direct or twice


def json_of(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def chat(content: bytes) -> bytes:
    return b'{"model":"gpt","messages":[{"role":"user","content":' + content + b"}]}"


SERVED = {
    "text": b'"' + b"x" * 16 * MIB + b'"',
    "text of other scripts": b'"' + "字".encode() * 5 * MIB + b'"',
    "escapes": b'"' + b"\\n" * 4 * MIB + b'"',
    "surrogate pairs": b'"' + b"\\ud83d\\ude00" * MIB + b'"',
    "JSON in a text": b'"' + b'{\\"a\\":[1,2]},' * MIB + b'"',
    "token ids": b'"a"}],"prompt":[' + b"50256, " * MIB + b'1],"x":[{"y":1',
    "parts": b'[{"type":"text"}' + b',{"type":"text","text":"some more words"}' * 19_000 + b"]",
    "messages": b'"a"}'
    + b',{"role":"user","content":"some more words"}' * 19_000
    + b',{"content":"b"',
}


@pytest.mark.parametrize("content", SERVED.values(), ids=SERVED.keys())
def test_a_large_body_is_served_in_short_steps(content: bytes) -> None:
    body = chat(content)
    assert outline.needs_outline(body)
    made, longest = in_steps(outline_of(body))
    before = time.thread_time()
    request = read_request(CHAT, body, made)
    took = time.thread_time() - before
    assert request.model == "gpt"
    assert request.body == body.replace(b'"gpt"', b'""', 1)
    assert max(longest, took) < 0.05


REFUSED = {
    "messages": (b'{"messages":[' + b"{}," * 20_000 + b"{}]}", "20,000 messages"),
    "many more messages": (b'{"messages":[' + b"{}," * 5 * MIB + b"{}]}", "4,194,304 bytes"),
    "parts": (chat(b'[{"type":"text"}' + b',{"type":"text"}' * 20_000 + b"]"), "20,000 content"),
    "members": (b'{"messages":[]' + b',"a":1' * 200_000 + b"}", "1,000 members"),
    "few members": (
        b'{"messages":[],' + b",".join(b'"%d":1' % i for i in range(1_000)) + b"}",
        "1,000 members",
    ),
    "lists": (chat(b'"a"}],"x":[{"y":[' + b"[]," * 3 * MIB + b"1]"), "4,194,304 bytes"),
    "texts": (chat(b'"a"}],"x":[{"y":[' + b'"",' * 3 * MIB + b"1]"), "4,194,304 bytes"),
    "escapes": (chat(b'"a"}],"x":[{"y":[' + (b'"' + b"\\n" * 10 + b'",') * MIB + b"1]"), "bytes"),
    "short lists of numbers": (chat(b'"a"}],"x":[{"y":[' + b"[1,1,1,1]," * MIB + b"1]"), "bytes"),
    "blanks": (chat(b" " * 5 * MIB + b'"a"'), "4,194,304 bytes"),
}


@pytest.mark.parametrize(("body", "limit"), REFUSED.values(), ids=REFUSED.keys())
def test_more_than_a_body_may_hold_is_refused_in_short_steps(body: bytes, limit: str) -> None:
    longest = 0.0

    def timed() -> Generator[None, None, outline.Outline]:
        nonlocal longest
        work = outline_of(body)
        while True:
            before = time.thread_time()
            try:
                next(work)
            except StopIteration as done:
                return done.value
            finally:
                longest = max(longest, time.thread_time() - before)
            yield

    with pytest.raises(ApiError) as caught:
        read_request(CHAT, body, in_steps(timed())[0] if outline.needs_outline(body) else None)
    assert (caught.value.status, caught.value.code) == (400, "request_too_complex")
    assert limit in caught.value.message
    assert longest < 0.05


def test_a_deep_body_is_refused() -> None:
    body = chat(b"[" * MIB + b"]" * MIB)
    made, _ = in_steps(outline_of(body))
    with pytest.raises(ApiError, match="nested too deeply"):
        read_request(CHAT, body, made)


def test_small_bodies_need_no_outline() -> None:
    assert not outline.needs_outline(chat(b'"' + b"{,[" * 40_000 + b'"'))
    assert not outline.needs_outline(chat(b'"' + b"some words, and more. " * 40_000 + b'"'))
    assert outline.needs_outline(chat(b'"' + b"{,[" * 50_000 + b'"'))
    assert outline.needs_outline(b"x" * (limits.READ_IF_SIMPLE + 1))
