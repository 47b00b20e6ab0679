"""Schemas and answers that are made to hurt: they cost little time, and nothing is fetched."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from vast_intercept.rehearsal.comparison.own_checks import json_of
from vast_intercept.rehearsal.comparison.schemas import SchemaError, why_invalid

#: Seconds, on a machine that does other things, too.
LONGEST = 2


def why(schema: Any, text: str) -> str:
    """What a text in JSON does not fulfil of a schema."""
    return why_invalid(schema, json_of(text), text)


def in_time[T](run: Callable[[], T]) -> T:
    """What a function returns or raises, within the time."""
    began = time.process_time()
    try:
        return run()
    finally:
        assert time.process_time() - began < LONGEST


def doubling(count: int) -> dict[str, Any]:
    """A schema in which each definition refers to the one before twice."""
    parts: dict[str, Any] = {"a0": {"type": "string"}}
    for number in range(1, count + 1):
        twice = [{"$ref": f"#/$defs/a{number - 1}"}] * 2
        parts[f"a{number}"] = {"anyOf": twice}
    return {"$defs": parts, "$ref": f"#/$defs/a{count}"}


@pytest.mark.parametrize(
    "reference",
    ["http://127.0.0.1:9/schema", "file:///etc/passwd", "other.json#/$defs/a", "urn:a:b"],
)
def test_no_other_document_is_read(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was opened")

    monkeypatch.setattr("socket.socket", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SchemaError, match="is not usable"):
        why({"$ref": reference}, "1")
    with pytest.raises(SchemaError, match="is not usable"):
        why({"properties": {"a": {"$id": reference, "$ref": "#/b"}}}, "1")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strange"},
        {"properties": 1},
        {"$ref": "#/nowhere"},
        {"$ref": "#nowhere"},
        {"$schema": "http://example.com/own"},
        {"pattern": "("},
        {"pattern": "((a{1000}){1000}){1000}"},
        {"minLength": -1},
        [1],
        "a text",
        1.5,
        {"\ud800": {}},
    ],
)
def test_a_schema_that_is_none_is_said(schema: Any) -> None:
    with pytest.raises(SchemaError, match=r"^The schema is .*\S"):
        in_time(lambda: why(schema, "{}"))


def test_schemas_that_accept_all_or_nothing_are_schemas() -> None:
    assert why(True, "1") == ""
    assert why({}, "[1, {}]") == ""
    assert why(False, "1") != ""


def test_a_schema_of_a_few_lines_that_stands_for_billions_is_said() -> None:
    for count in (20, 40, 400):
        schema = doubling(count)
        with pytest.raises(SchemaError, match="too complex"):
            in_time(lambda schema=schema: why(schema, "1"))


def test_alternatives_within_alternatives_are_checked_in_time() -> None:
    assert in_time(lambda: why(doubling(10), '"a"')) == ""
    assert in_time(lambda: why(doubling(10), "1")) == "It does not fulfil its schema."
    assert in_time(lambda: why(doubling(3), "1")).startswith("1 is not valid under any")
    many = f"[{','.join(['1'] * 50_000)}]"
    with pytest.raises(SchemaError, match="too complex for an answer"):
        in_time(
            lambda: why({"items": {"$ref": "#/$defs/a10"}, "$defs": doubling(10)["$defs"]}, many)
        )


@pytest.mark.parametrize("leaf", ["1", "{}", '"a"'])
def test_a_schema_that_refers_to_itself_is_checked_in_time(leaf: str) -> None:
    deep = '{"a":' * 200 + leaf + "}" * 200
    itself = {"type": "object", "properties": {"a": {"$ref": "#"}}}
    for schema in (
        itself,
        {"anyOf": [itself, itself | {"minProperties": 5}]},
        {"oneOf": [itself, itself | {"minProperties": 5}]},
        {"allOf": [itself] * 20},
        {"unevaluatedProperties": {"$ref": "#"}, "anyOf": [itself, {"$ref": "#/anyOf/0"}]},
        {"$dynamicAnchor": "a", "properties": {"a": {"$dynamicRef": "#a"}}},
    ):
        in_time(lambda schema=schema: why(schema, deep))


def test_a_schema_that_is_nothing_but_itself_is_checked_in_time() -> None:
    in_time(lambda: why({"$ref": "#"}, "1"))
    in_time(lambda: why({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "not": {}}, "1"))


@pytest.mark.parametrize("pattern", ["^(a+)+$", r"^(?=x*)(a+)+\1$", "(x+x+)+y", "(a|a)*$(?!b)"])
def test_a_pattern_that_never_ends_is_checked_in_time(pattern: str) -> None:
    text = f'"{"a" * 60_000}!"'
    in_time(lambda: why({"pattern": pattern}, text))
    keys = ",".join(f'"{"a" * 100}{number}!":1' for number in range(500))
    in_time(lambda: why({"patternProperties": {pattern: True}}, f"{{{keys}}}"))


def test_more_patterns_than_anybody_has_are_not_tried() -> None:
    many = {"allOf": [{"pattern": f"({'(a{50}){50}'}){{2}}{number}"} for number in range(101)]}
    with pytest.raises(SchemaError, match="101 patterns"):
        in_time(lambda: why(many, '"a"'))
    with pytest.raises(SchemaError, match="too complex for an answer"):
        in_time(lambda: why({"anyOf": many["allOf"][1:]}, f'"{"a" * 60_000}"'))
    in_time(lambda: why({"anyOf": many["allOf"][1:]}, '"aaaa"'))
    keys = ",".join(f'"{number}":1' for number in range(20_000))
    with pytest.raises(SchemaError, match="too complex for an answer"):
        in_time(lambda: why({"patternProperties": {"(?=a)": True}}, f"{{{keys}}}"))


def test_what_is_nested_deeply_is_said_or_checked() -> None:
    schema: Any = {}
    for _ in range(5_000):
        schema = {"not": schema}
    with pytest.raises(SchemaError):
        in_time(lambda: why(schema, "1"))
    deep = "[" * 500 + "]" * 500
    assert in_time(lambda: why({"items": {"$ref": "#"}}, deep)) == ""


def test_large_answers_are_checked_in_time() -> None:
    distinct = f"[{','.join(f'[{number}]' for number in range(15_000))}]"
    assert in_time(lambda: why({"uniqueItems": True}, distinct)) == ""
    number = "9" * 4_000
    in_time(lambda: why({"multipleOf": 3}, number))
    in_time(lambda: why({"items": {"enum": list(range(300))}}, f"[{'-1,' * 9_999}-1]"))


def test_what_is_wrong_is_said_with_its_place_and_in_short() -> None:
    schema = {"properties": {"a": {"items": {"type": "integer"}}}}
    assert why(schema, '{"a": [1, "x"]}') == 'a[1]: "x" is not of type "integer"'
    assert len(why({"type": "integer"}, f'"{"x" * 10_000}"')) < 400
