"""Base64 in JSON, shortened."""

import base64
import itertools
import json
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.shortening import length_of, shorten_base64, shorten_in_steps

PICTURE = base64.b64encode(random.Random(1).randbytes(300_000)).decode()


def in_steps(pieces: Iterable[bytes | memoryview]) -> bytes:
    steps = shorten_in_steps(pieces)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        made: bytes = end.value
        return made


def test_of_an_upload_even_silence_is_shortened_whose_base64_looks_like_a_word() -> None:
    silence = base64.b64encode(bytes(300_000))
    shortened = in_steps([b'{"model":"","file":"', silence, b'"}'])
    assert length_of(json.loads(shortened)["file"])[1] == len(silence)
    assert len(shortened) < 1_000
    assert shorten_base64(b'"%b"' % silence) == b'"%b"' % silence  # it may be a word there


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_long_base64_says_how_long_it_was(prefix: str) -> None:
    shortened = json.loads(shorten_base64(json.dumps({"a": prefix + PICTURE, "b": 1}).encode()))
    beginning, length = length_of(shortened["a"])
    assert length == len(prefix + PICTURE)
    assert (prefix + PICTURE).startswith(beginning)
    assert 60_000 < len(beginning) < 70_000
    assert shortened["b"] == 1


def test_of_many_long_ones_little_is_left() -> None:
    body = json.dumps([PICTURE] * 40).encode()
    assert len(body) > 15_000_000
    shortened = shorten_base64(body)
    assert len(shortened) < 600_000
    assert [length_of(each)[1] for each in json.loads(shortened)] == [len(PICTURE)] * 40


@given(st.lists(st.integers(1, 500_000), max_size=6))
def test_pieces_may_end_anywhere(cuts: list[int]) -> None:
    body = json.dumps({"file": PICTURE, "language": "de", "other": PICTURE[::-1]}).encode()
    ends = [0, *sorted(cuts), len(body)]
    pieces = [memoryview(body)[start:end] for start, end in itertools.pairwise(ends)]
    shortened = in_steps(pieces)
    assert len(shortened) < 30_000
    made = json.loads(shortened)
    assert [length_of(made[name])[1] for name in ("file", "other")] == [len(PICTURE)] * 2
    assert made["language"] == "de"


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "a word and " * 10_000, "1" * 100_000, 'a \\"quoted\\" ' * 9_000]
)
def test_a_text_stays_as_it_is(text: str) -> None:
    body = json.dumps({"text": text, "numbers": [1.5] * 20_000}).encode()
    assert shorten_base64(body) == body
    assert " " not in text or in_steps([body]) == body


@given(st.recursive(st.text() | st.integers() | st.just(PICTURE), st.lists, max_leaves=5))
def test_json_stays_json(value: object) -> None:
    def same(one: object, other: object) -> bool:
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(same, one, other))
        return one == other or (isinstance(one, str) and length_of(one)[1] == len(PICTURE))

    assert same(json.loads(shorten_base64(json.dumps(value).encode())), value)
