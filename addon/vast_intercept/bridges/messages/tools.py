"""The tools of a Messages request, and which of them the model is to use, as chat has them."""

import re
from dataclasses import dataclass, field

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError
from ...openai_api.members import NULL
from ...openai_api.reading import decode, first_byte, is_null, shown
from .refusals import refused, required

# Tools that Anthropic's servers run, or that only its models know, without the date in their type.
# https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview
_BUILT_IN = frozenset(
    {
        *("advisor", "bash", "browser_toolset", "code_execution", "computer", "computer_toolset"),
        *("mcp_toolset", "memory", "text_editor", "tool_search_tool_bm25"),
        *("tool_search_tool_regex", "web_fetch", "web_search"),
    }
)
_MOST = 10_000
_DATE = re.compile(r"_\d{8}$")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


class _Tool(msgspec.Struct, gc=False):
    type: str | None = None
    name: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = NULL
    strict: bool | None = None


class _Choice(msgspec.Struct, gc=False):
    type: str | None = None
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


_tools: msgspec.json.Decoder[list[_Tool] | None] = msgspec.json.Decoder(list[_Tool] | None)
_choice: msgspec.json.Decoder[_Choice | None] = msgspec.json.Decoder(_Choice | None)


@dataclass(slots=True)
class Tools:
    """The tools that the model gets, and those that it does not, by name."""

    functions: dict[str, dict[str, object]] = field(default_factory=dict)
    #: The kinds of built-in tools that are left out, by the name that the app calls them.
    built_in: dict[str, str] = field(default_factory=dict)

    def left_out(self) -> tuple[str, ...]:
        """The built-in tools that the model does not get, each kind once."""
        return tuple(dict.fromkeys(f"tool {kind}" for kind in self.built_in.values()))

    def fields(self, tool_choice: msgspec.Raw) -> dict[str, object]:
        """The fields of the chat completion. Raises ApiError (400) for a choice that is none."""
        choice = decode(_choice, tool_choice, "tool_choice")
        chosen = self._chosen(choice) if choice else None
        if not self.functions:
            return {}
        made: dict[str, object] = {
            "tools": [
                {"type": "function", "function": function} for function in self.functions.values()
            ]
        }
        if chosen is not None:
            made["tool_choice"] = chosen
        if choice and choice.disable_parallel_tool_use:
            made["parallel_tool_calls"] = False
        return made

    def _chosen(self, choice: _Choice) -> object:
        match choice.type:
            case "auto" | "none":
                return choice.type
            case "any":
                if not self.functions:
                    raise refused("tool_choice", "may only be specified while providing tools")
                return "required"
            case "tool":
                if choice.name is None:
                    raise required("tool_choice.name")
                if choice.name in self.functions:
                    return {"type": "function", "function": {"name": choice.name}}
                if kind := self.built_in.get(choice.name):
                    raise _tool_not_served("tool_choice.name", kind)
                problem = f"Tool {shown(choice.name)!r} not found in provided tools"
                raise refused("tool_choice.name", problem)
            case None:
                raise required("tool_choice.type")
            case _:
                problem = "Input should be 'auto', 'any', 'tool' or 'none'"
                raise refused("tool_choice.type", problem)


def read_tools(tools: msgspec.Raw, *, reject_built_in: bool) -> Tools:
    """Reads the tools. Raises ApiError (400) for a list that is no list of tools.

    Built-in tools are left out, as long as there is another one. `reject_built_in`: they are
    refused in any case.
    """
    made = Tools()
    offered = decode(_tools, tools, "tools") or []
    if len(offered) > _MOST:
        problem = f"more than {_MOST:,} tools"
        raise refused("tools", problem, ErrorCode.REQUEST_TOO_COMPLEX)
    first = ""
    for index, tool in enumerate(offered):
        place = f"tools[{index}]"
        if tool.type not in {None, "custom"}:
            assert tool.type
            kind = _DATE.sub("", tool.type)
            kind = kind if kind in _BUILT_IN else "other"
            if reject_built_in:
                raise _tool_not_served(f"{place}.type", kind)
            made.built_in[tool.name or tool.type] = kind
            first = first or place
            continue
        name, function = _function(tool, place)
        if name in made.functions:
            raise refused("tools", "Tool names must be unique.")
        made.functions[name] = function
    if first and not made.functions:
        raise _tool_not_served(f"{first}.type", next(iter(made.built_in.values())))
    return made


def _function(tool: _Tool, place: str) -> tuple[str, dict[str, object]]:
    if tool.name is None:
        raise required(f"{place}.name")
    if not _NAME.fullmatch(tool.name):
        raise refused(f"{place}.name", f"String should match pattern '^{_NAME.pattern}$'")
    if is_null(tool.input_schema):
        raise required(f"{place}.input_schema")
    if first_byte(tool.input_schema) != b"{":
        problem = "Input should be an object"
        raise refused(f"{place}.input_schema", problem, ErrorCode.INVALID_TYPE)
    function: dict[str, object] = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return tool.name, function


def _tool_not_served(place: str, kind: str) -> ApiError:
    return refused(
        place,
        f"The built-in tool {kind!r} is not served here: only Anthropic has it. Offer the model a"
        " tool of the app's own, with a name and an input_schema.",
        ErrorCode.UNSUPPORTED_PARAMETER,
    )
