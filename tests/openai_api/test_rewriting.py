"""Members of a JSON object are changed, and every other byte stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api import outline as outlines
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.members import any_object
from vast_intercept.openai_api.rewriting import Changes, rewritten

from .test_outline import in_steps


def changed(body: bytes, changes: Changes, *, outlined: bool = False) -> bytes:
    made = in_steps(outlines.outline(body))[0] if outlined else None
    members = any_object.decode(made.text if made else body)
    return b"".join(rewritten(body, members, made, changes))


CHANGED = {
    "a value where it stands": (b'{"a" : 1 , "b":2}', Changes({"a": b"9"}), b'{"a" : 9 , "b":2}'),
    "a member that was not there": (b'{"a":1 }', Changes({"b": b"2"}), b'{"a":1 ,"b":2}'),
    "a member of an empty object": (b"{ }\n", Changes({"b": b"2"}), b'{ "b":2}\n'),
    "two of them": (b"{}", Changes({"b": b"2", "c": b"3"}), b'{"b":2,"c":3}'),
    "a name that needs escapes": (b"{}", Changes({'"': b"2"}), rb'{"\"":2}'),
    "one added, the last left out": (
        b'{"a":1,"b":2}',
        Changes({"c": b"3"}, ("b",)),
        b'{"a":1,"c":3}',
    ),
    "one added, all left out": (b'{"a":1,"b":2}', Changes({"c": b"3"}, ("a", "b")), b'{"c":3}'),
    "a part of a value": (
        b'{"a":[1, 2],"b":2}',
        Changes(edits={"a": lambda _: [(slice(1, 2), b"7")]}),
        b'{"a":[7, 2],"b":2}',
    ),
    "one of two of a name, which is written anew": (
        b'{"a":1,"a":2, "b":3}',
        Changes({"b": b"4"}),
        b'{"a":2,"b":4}',
    ),
    "nothing": (b' {"a":1,"a":2}', Changes(left_out=("b",)), b' {"a":1,"a":2}'),
}


@pytest.mark.parametrize(("body", "changes", "expected"), CHANGED.values(), ids=CHANGED.keys())
def test_only_what_is_asked_for_is_changed(body: bytes, changes: Changes, expected: bytes) -> None:
    assert changed(body, changes) == expected


NAMES = st.sampled_from("abcdef")
VALUES = st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=9)


@given(
    st.dictionaries(NAMES, VALUES),
    st.dictionaries(NAMES, VALUES),
    st.sets(NAMES),
    st.booleans(),
    st.sampled_from([None, 0, 2]),
)
def test_the_result_is_as_if_the_object_was_decoded_and_encoded(
    members: dict[str, object],
    values: dict[str, object],
    left_out: set[str],
    outlined: bool,
    indent: int | None,
) -> None:
    values = {name: value for name, value in values.items() if name not in left_out}
    body = json.dumps(members, indent=indent).encode()
    new = {name: json.dumps(value).encode() for name, value in values.items()}
    result = changed(body, Changes(new, left_out), outlined=outlined)
    kept = {name: value for name, value in members.items() if name not in left_out}
    assert json.loads(result) == kept | values


def test_a_long_text_is_not_copied() -> None:
    body = b'{"a":1,"input":"' + b"x" * 1_000_000 + b'"}'
    made = in_steps(outlines.outline(body))[0]
    pieces = rewritten(body, any_object.decode(made.text), made, Changes({"a": b"2", "b": b"3"}))
    assert b"".join(pieces) == body.replace(b"1", b"2", 1)[:-1] + b',"b":3}'
    assert all(piece.obj is body for piece in pieces if isinstance(piece, memoryview))
    assert sum(len(piece) for piece in pieces if isinstance(piece, memoryview)) > 1_000_000


def test_a_large_body_with_a_name_twice_is_refused() -> None:
    with pytest.raises(ApiError, match="has a member twice"):
        changed(b'{"a":1,"a":2}', Changes({"a": b"3"}), outlined=True)
