"""Values made from JSON schemas."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from vast_intercept.standin.model_server.schema import instance


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    name: str
    children: list["Node"]
    parent: "Node | None"


class Everything(BaseModel):
    text: str
    long: Annotated[str, Field(min_length=10, max_length=20)]
    short: Annotated[str, Field(max_length=2)]
    count: Annotated[int, Field(ge=5)]
    above: Annotated[int, Field(gt=5)]
    below: Annotated[float, Field(lt=-1)]
    most: Annotated[float, Field(le=0)]
    truth: bool
    nothing: None
    colour: Colour
    kind: Literal["only"]
    day: date
    id: UUID
    maybe: str | None
    either: int | str
    several: Annotated[list[int], Field(min_length=3)]
    pair: tuple[int, str]
    words: dict[str, int]
    node: Node
    with_default: int = 7


@pytest.mark.parametrize("model", [Everything, Node])
def test_a_model_of_pydantic_accepts_the_instance_of_its_schema(model: type[BaseModel]) -> None:
    model.model_validate(instance(model.model_json_schema()))


def test_a_schema_whose_root_is_a_reference() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Node)
    assert "$ref" in adapter.json_schema()
    adapter.validate_python(instance(adapter.json_schema()))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, "text"),
        ({"type": "string", "enum": ["Paris", "Oslo"]}, "Paris"),
        ({"const": 3}, 3),
        ({"default": [1]}, [1]),
        ({"type": ["null", "string"]}, None),
        ({"type": "object"}, {}),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 1}),
        ({"type": "array"}, ["text"]),
        ({"type": "array", "maxItems": 0}, []),
        ({"allOf": [{"type": "integer"}, {"minimum": 9}]}, 9),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": "found"}}}, "found"),
        ({"$ref": "#/nowhere"}, "text"),
        ({"type": "what"}, None),
    ],
)
def test_instance(schema: dict[str, Any], value: object) -> None:
    assert instance(schema) == value


def test_a_schema_that_never_ends_ends() -> None:
    endless: dict[str, Any] = {
        "type": "object",
        "properties": {"next": {"$ref": "#"}},
        "required": ["next"],
    }
    assert str(instance(endless)).endswith("None" + "}" * str(instance(endless)).count("{"))
    assert instance({"$ref": "#"}) is None
