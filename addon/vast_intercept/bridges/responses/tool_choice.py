"""What `tool_choice` of a Responses request means for the functions of a chat completion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.members import NULL
from ...openai_api.reading import (
    decode,
    first_byte,
    invalid_type,
    invalid_value,
    is_null,
    missing,
    not_served,
    shown,
)
from .tools import Function, Tools, is_builtin

_WORDS = ("none", "auto", "required")
_TYPES = ("allowed_tools", "function", "custom")

type _NamedFunction = dict[str, object]


class _Choice(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    namespace: str | None = None
    mode: str = "auto"
    tools: msgspec.Raw = NULL


_word = msgspec.json.Decoder(str)
_choice = msgspec.json.Decoder(_Choice)
_choices = msgspec.json.Decoder(list[_Choice])


@dataclass(frozen=True, slots=True)
class Chosen:
    """The functions that the model gets, and `tool_choice` of the chat completion, if it is set."""

    functions: Mapping[str, Function]
    choice: Literal["none", "auto", "required"] | _NamedFunction | None = None


def choose(tools: Tools, tool_choice: msgspec.Raw) -> Chosen:
    """Reads `tool_choice`.

    Raises ApiError (400) for a choice that cannot be met, and if a model that may call tools has
    none but built-in ones.
    """
    chosen = _read(tools, tool_choice)
    if tools.builtin and not chosen.functions and chosen.choice != "none":
        kind, place = next(iter(tools.builtin.items()))
        raise not_served(
            f"The tool {kind!r} is run by OpenAI, and Vast has no such thing. The call has no other"
            " tool that the model may use.",
            place,
        )
    if chosen.choice == "required" and not chosen.functions:
        raise _not_met("Tool choice 'required' must be specified with 'tools' parameter.")
    return chosen


def _read(tools: Tools, tool_choice: msgspec.Raw) -> Chosen:
    if is_null(tool_choice):
        return Chosen(tools.functions)
    first = first_byte(tool_choice)
    if first == b'"':
        word = decode(_word, tool_choice, "tool_choice")
        match word:
            case "none" | "auto" | "required":
                return Chosen(tools.functions, word)
        raise invalid_value("tool_choice", word, _WORDS)
    if first != b"{":
        raise invalid_type("tool_choice", "expected a text or an object")
    choice = decode(_choice, tool_choice, "tool_choice")
    if choice.type == "allowed_tools":
        return _allowed(tools, choice)
    name = _function(tools, choice, "tool_choice")
    if name is None:
        raise not_served(
            f"The tool {choice.type!r} is run by OpenAI, and Vast has no such thing.", "tool_choice"
        )
    return Chosen(tools.functions, {"type": "function", "function": {"name": name}})


def _allowed(tools: Tools, choice: _Choice) -> Chosen:
    if choice.mode not in {"auto", "required"}:
        raise invalid_value("tool_choice.mode", choice.mode, ("auto", "required"))
    if is_null(choice.tools):
        raise missing("tool_choice.tools")
    allowed = decode(_choices, choice.tools, "tool_choice.tools")
    named = [
        _function(tools, each, f"tool_choice.tools[{index}]") for index, each in enumerate(allowed)
    ]
    kept = {name: tools.functions[name] for name in named if name is not None}
    if not kept:
        if None in named:
            raise not_served(
                "The tools that tool_choice allows are run by OpenAI, and Vast has no such things.",
                "tool_choice",
            )
        raise missing("tool_choice.tools")
    return Chosen(kept, "required" if choice.mode == "required" else "auto")


def _function(tools: Tools, choice: _Choice, place: str) -> str | None:
    """The name of the function that is chosen, or None for a built-in tool."""
    if choice.type is None:
        raise missing(f"{place}.type")
    if is_builtin(choice.type):
        return None
    if choice.type not in {"function", "custom"}:
        raise invalid_value(f"{place}.type", choice.type, _TYPES)
    if not choice.name:
        raise missing(f"{place}.name")
    name = tools.find(choice.name, choice.namespace)
    if name is None:
        raise _not_met(
            f"Tool choice '{choice.type}' with the name {shown(choice.name)!r} not found in 'tools'"
            " parameter.",
            place,
        )
    return name


def _not_met(message: str, param: str = "tool_choice") -> ApiError:
    return bad_request(message, ErrorCode.INVALID_VALUE, param)
