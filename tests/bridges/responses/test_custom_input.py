"""The text for a custom tool, out of the JSON that a model writes for it."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.bridges.responses.custom_input import CustomInput
from vast_intercept.openai_api.errors import ApiError

from .made import answered, bridge

TEXTS = st.text() | st.text('ab"\\\n\t{}:u0d8e😀é')


def pieces_of(arguments: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(arguments), *(cut % (len(arguments) + 1) for cut in cuts)})
    return [arguments[a:b] for a, b in pairwise(places)]


def text_of(*pieces: str) -> str:
    taken = CustomInput()
    return "".join([*map(taken.feed, pieces), taken.end()])


@given(TEXTS, st.lists(st.integers(0, 500)), st.booleans(), st.sampled_from([None, 2]))
def test_a_text_comes_out_however_it_is_cut(
    text: str, cuts: list[int], escaped: bool, indent: int | None
) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=escaped, indent=indent)
    assert text_of(*pieces_of(arguments, cuts)) == text


@given(st.text('{}[]:,"inputx\\u0d8eDC 1\n'), st.lists(st.integers(0, 100)), st.booleans())
def test_any_arguments_give_the_same_however_they_are_cut(
    arguments: str, cuts: list[int], begun: bool
) -> None:
    arguments = '{"input": "' * begun + arguments
    assert text_of(*pieces_of(arguments, cuts)) == text_of(arguments) == text_of(*arguments)


def test_text_leaves_with_the_piece_that_has_it() -> None:
    taken = CustomInput()
    pieces = ['{"in', 'put"', ": ", '"a', "b\\", "n\\ud8", "3d\\u", "de00", "c", '"', "}"]
    assert [taken.feed(piece) for piece in pieces] == [
        *("", "", "", "a", "b", "\n", "", "😀", "c", "", "")
    ]
    assert taken.end() == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ('{"input": ""}', ""),
        (' \n{ "input" :\t"a" } ', "a"),
        ('{"inp\\u0075t": "a"}', "a"),
        ('{"input": "a", "more": 1}', "a"),
        ('{"more": 1, "input": "a"}', "a"),
        ('{"patch": "a"}', "a"),
        ('{"a": "b", "c": "d"}', '{"a": "b", "c": "d"}'),
        ('{"input": 5}', '{"input": 5}'),
        ('{"input": null}', '{"input": null}'),
        ("{}", "{}"),
        ('"a\\n"', "a\n"),
        ("*** Begin Patch\n", "*** Begin Patch\n"),
        ("[1, 2]", "[1, 2]"),
        # What models get wrong: line ends, backslashes, half of a pair, an end that is missing.
        ('{"input": "a\nb"}', "a\nb"),
        (r'{"input": "\d+\w"}', r"\d+\w"),
        (r'{"input": "\user \u12"}', r"\user \u12"),
        (r'{"input": "\ud83d!"}', "\ufffd!"),
        (r'{"input": "\ude00\ud83d\u0041"}', "\ufffd\ufffdA"),
        ('{"input": "a\\', "a"),
        ('{"input": "a\\ud83d\\ude', "a"),
        ('{"input": "', ""),
        ('{"inpu', '{"inpu'),
        (" " * 2_000 + '{"input": "a"}', "a"),
    ],
)
def test_the_text_of_other_arguments(arguments: str, text: str) -> None:
    assert text_of(arguments) == text
    assert text_of(*arguments) == text


@pytest.mark.parametrize("number_of_calls", [1, 10])
@pytest.mark.parametrize("invalid", ["\\ud800", "\\ud800x", "\\q\\n", "\\u"])
def test_an_answer_that_is_invalid_all_over_is_none(invalid: str, number_of_calls: int) -> None:
    """Else a whole one would hold up other calls for a second."""
    text = '{"input":"' + invalid * (1_000_000 // number_of_calls) + '"}'
    function = {"name": "patch", "arguments": text}
    calls = [{"id": f"c{n}", "function": function} for n in range(number_of_calls)]
    message = {"tool_calls": calls}
    with pytest.raises(ApiError, match="invalid in more than 20,000 places"):
        answered(bridge(), message)
    few = {"name": "patch", "arguments": '{"input":"' + invalid * 1_000 + '"}'}
    assert answered(bridge(), {"tool_calls": [{"id": "c", "function": few}]})["output"]
