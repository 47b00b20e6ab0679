"""Tools of a request become functions of a chat completion, and are known again."""

import json
import re
from typing import Any

import pytest

from vast_intercept.bridges.bridge import BuiltinTools
from vast_intercept.bridges.responses.asked import ToolOrigin

from .asking import call, chat, converted, echoed, function, messages, output, refused, user

SEARCH = {"type": "web_search"}
BUILTIN = [
    "web_search",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "web_search_2025_08_26",
    "file_search",
    "code_interpreter",
    "image_generation",
    "computer",
    "computer_use",
    "computer_use_preview",
    "mcp",
    "local_shell",
    "shell",
    "apply_patch",
    "tool_search",
]


def functions(**fields: Any) -> list[Any]:
    """The functions of the chat completion."""
    tools = chat(**fields).get("tools", [])
    assert all(tool["type"] == "function" for tool in tools)
    return [tool["function"] for tool in tools]


def names(**fields: Any) -> list[str]:
    """The names of the functions of the chat completion."""
    return [function["name"] for function in functions(**fields)]


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
NO_PARAMETERS = {"type": "object", "properties": {}}


@pytest.mark.parametrize("strict", [True, False, None])
@pytest.mark.parametrize("parameters", [SCHEMA, None])
def test_a_function_is_a_function(strict: bool | None, parameters: object) -> None:
    tool = function(description="Does.", strict=strict, parameters=parameters, defer_loading=True)
    expected = {"name": "f", "description": "Does.", "parameters": parameters or NO_PARAMETERS}
    made = converted(tools=[tool])
    assert functions(tools=[tool]) == [
        expected if strict is None else {**expected, "strict": strict}
    ]
    assert made.asked.tools == {"f": ToolOrigin("function", "f")}
    assert echoed(made.asked, "tools") == [
        {
            "type": "function",
            "name": "f",
            "description": "Does.",
            "parameters": parameters,
            "strict": strict is not False,
        }
    ]


def test_a_schema_keeps_its_bytes() -> None:
    tools = [function(parameters={"a": 1e300, "b": "\u00fc", "c": [True, None]})]
    assert json.dumps(tools[0]["parameters"]).encode() in converted(tools=tools).chat


def test_a_custom_tool_is_a_function_with_one_text() -> None:
    tool = {"type": "custom", "name": "exec", "description": "Runs.", "format": {"type": "text"}}
    (made,) = functions(tools=[tool])
    assert made["description"] == "Runs."
    assert made["parameters"]["required"] == ["input"]
    assert made["parameters"]["properties"]["input"]["type"] == "string"
    asked = converted(tools=[tool]).asked
    assert asked.tools == {"exec": ToolOrigin("custom", "exec")}
    assert echoed(asked, "tools") == [tool]


@pytest.mark.parametrize("syntax", ["lark", "regex"])
@pytest.mark.parametrize("description", [None, "Runs."])
def test_the_grammar_of_a_custom_tool_is_in_its_description(
    syntax: str, description: str | None
) -> None:
    form = {"type": "grammar", "syntax": syntax, "definition": 'start: "a"'}
    tool = {"type": "custom", "name": "x", "format": form, "description": description}
    (made,) = functions(tools=[tool])
    assert made["description"].startswith(description or "The input must match this grammar")
    assert made["description"].endswith(' syntax):\nstart: "a"')


CLOCK = {
    "type": "namespace",
    "name": "clock",
    "description": "Time.",
    "tools": [function("now"), {"type": "custom", "name": "sleep"}],
}


def test_groups_of_tools_are_flattened_and_known_again() -> None:
    asked = converted(tools=[CLOCK, function("now")]).asked
    assert asked.tools == {
        "clock__now": ToolOrigin("function", "now", "clock"),
        "clock__sleep": ToolOrigin("custom", "sleep", "clock"),
        "now": ToolOrigin("function", "now"),
    }
    assert functions(tools=[CLOCK])[0]["description"] == "Time."


def test_the_group_functions_is_none_as_codex_calls_its_tools_without_it() -> None:
    group = {**CLOCK, "name": "functions"}
    asked = converted(tools=[group]).asked
    assert asked.tools["now"] == ToolOrigin("function", "now")


def test_tools_in_the_input_are_offered_too_those_of_earlier_turns_included() -> None:
    added = {"type": "additional_tools", "role": "developer", "tools": [CLOCK]}
    assert names(input=[added, user()]) == ["clock__now", "clock__sleep"]
    assert names(input=[user()], history=[[added]]) == ["clock__now", "clock__sleep"]
    assert names(input=[added, user()], tools=[function()]) == ["f", "clock__now", "clock__sleep"]
    asked = converted(input=[added, user()]).asked
    assert "tools" not in asked.echoed
    assert "clock__now" in asked.tools


def test_a_tool_that_comes_twice_counts_as_it_came_last() -> None:
    assert functions(tools=[function(description="a"), function(description="b")]) == [
        {"name": "f", "description": "b", "parameters": {"type": "object"}}
    ]


@pytest.mark.parametrize("namespace", [{}, {"namespace": "clock"}])
def test_calls_of_tools_in_groups_have_the_names_of_their_functions(
    namespace: dict[str, str],
) -> None:
    made = messages(user(), call(name="now", **namespace), output(), tools=[CLOCK])
    assert made[1]["tool_calls"][0]["function"]["name"] == "clock__now"


def test_a_call_that_names_no_group_is_that_of_the_tool_without_one() -> None:
    made = messages(user(), call(name="now"), output(), tools=[CLOCK, function("now")])
    assert made[1]["tool_calls"][0]["function"]["name"] == "now"


def group(name: str, *tools: str) -> Any:
    return {"type": "namespace", "name": name, "tools": [function(tool) for tool in tools]}


CLASHES: dict[str, list[Any]] = {
    "a long name": [function("a" * 128)],
    "long names that begin alike": [function("a" * 100 + "b"), function("a" * 100 + "c")],
    "a long group": [group("g" * 200, "a", "b")],
    "a name like that of a group": [function("g__a"), group("g", "a")],
    "groups with dots": [group("a.b", "c"), group("a_b", "c"), group("a b", "c")],
    "groups that end like names begin": [group("a__b", "c"), group("a", "b__c")],
    "groups with underscores": [group("g", "a"), group("g__", "a")],
    "a group without letters": [group("日本", "a"), group("本日", "a")],
}


@pytest.mark.parametrize("name", CLASHES)
def test_no_two_functions_have_one_name_and_chat_completions_take_each(name: str) -> None:
    tools = CLASHES[name]
    offered = sum(len(tool.get("tools", [tool])) for tool in tools)
    made = names(tools=tools)
    assert len(set(made)) == offered
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", each) for each in made)
    origins = converted(tools=tools).asked.tools
    assert len({(each.namespace, each.name) for each in origins.values()}) == offered
    assert names(tools=tools) == made  # each time the same, for the model's cache


@pytest.mark.parametrize("kind", BUILTIN)
def test_built_in_tools_are_left_out_and_named(kind: str) -> None:
    made = converted(tools=[{"type": kind, "vector_store_ids": []}, function()])
    assert made.left_out == (f"tool {kind}",)
    assert names(tools=[{"type": kind}, function()]) == ["f"]
    assert [tool["type"] for tool in echoed(made.asked, "tools")] == [kind, "function"]


@pytest.mark.parametrize("kind", BUILTIN)
def test_a_call_with_nothing_but_built_in_tools_is_refused(kind: str) -> None:
    error = refused(tools=[{"type": kind}])
    assert (error.code, error.param) == ("unsupported_parameter", "tools[0].type")


def test_built_in_tools_that_may_not_be_called_are_no_loss() -> None:
    assert "tools" not in chat(tools=[SEARCH], tool_choice="none")


def test_built_in_tools_are_refused_if_the_configuration_says_so() -> None:
    error = refused(tools=[function(), SEARCH], builtin_tools=BuiltinTools.REJECT)
    assert (error.code, error.param) == ("unsupported_parameter", "tools[1].type")
    assert names(tools=[function()], builtin_tools=BuiltinTools.REJECT) == ["f"]


NAMED = {"type": "function", "function": {"name": "f"}}
EXEC: dict[str, object] = {"type": "custom", "name": "exec"}
OFFERED = [function(), EXEC, SEARCH, CLOCK]
CHOICES: dict[str, tuple[object, object]] = {
    "none": ("none", "none"),
    "auto": ("auto", "auto"),
    "required": ("required", "required"),
    "null": (None, None),
    "a function": ({"type": "function", "name": "f"}, NAMED),
    "a custom tool": (EXEC, {"type": "function", "function": {"name": "exec"}}),
    "a tool of a group": (
        {"type": "function", "name": "now", "namespace": "clock"},
        {"type": "function", "function": {"name": "clock__now"}},
    ),
    "a tool of the only group": (
        {"type": "custom", "name": "sleep"},
        {"type": "function", "function": {"name": "clock__sleep"}},
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_that_of_the_chat_completion(name: str) -> None:
    choice, expected = CHOICES[name]
    made = chat(tools=OFFERED, tool_choice=choice)
    assert made.get("tool_choice") == expected
    assert len(made["tools"]) == 4


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_only_allowed_tools_are_offered(mode: str) -> None:
    allowed = [{"type": "function", "name": "f"}, SEARCH, EXEC]
    choice = {"type": "allowed_tools", "mode": mode, "tools": allowed}
    made = chat(tools=OFFERED, tool_choice=choice)
    assert made["tool_choice"] == mode
    assert [tool["function"]["name"] for tool in made["tools"]] == ["f", "exec"]
    assert echoed(converted(tools=OFFERED, tool_choice=choice).asked, "tool_choice")


@pytest.mark.parametrize("choice", ["none", "auto", None])
def test_without_tools_there_is_no_choice_since_vllm_refuses_one(choice: str | None) -> None:
    made = chat(tools=[], tool_choice=choice, parallel_tool_calls=False)
    assert made.keys().isdisjoint({"tools", "tool_choice", "parallel_tool_calls"})


@pytest.mark.parametrize("parallel", [True, False])
def test_parallel_calls_are_as_asked(parallel: bool) -> None:
    assert chat(tools=[function()], parallel_tool_calls=parallel)["parallel_tool_calls"] is parallel


def allowed(*tools: object, mode: str = "auto") -> Any:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "tools an object": ({"tools": {}}, "invalid_type", "tools"),
    "a tool is a text": ({"tools": [function(), "x"]}, "invalid_type", "tools[1]"),
    "no type": ({"tools": [{"name": "f"}]}, "missing_required_parameter", "tools[0].type"),
    "unknown type": ({"tools": [{"type": "x"}]}, "invalid_value", "tools[0].type"),
    "no name": ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
    "that of chat completions": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "missing_required_parameter",
        "tools[0].name",
    ),
    "a name with a space": ({"tools": [function("a b")]}, "invalid_value", "tools[0].name"),
    "a name in another script": ({"tools": [function("ä")]}, "invalid_value", "tools[0].name"),
    "a name that is too long": ({"tools": [function("a" * 129)]}, "invalid_value", "tools[0].name"),
    "a name with a line feed": ({"tools": [function("a\n")]}, "invalid_value", "tools[0].name"),
    "name a number": ({"tools": [function() | {"name": 1}]}, "invalid_type", "tools[0].name"),
    "parameters a list": (
        {"tools": [function(parameters=[])]},
        "invalid_type",
        "tools[0].parameters",
    ),
    "strict a text": ({"tools": [function(strict="x")]}, "invalid_type", "tools[0].strict"),
    "a group without name": (
        {"tools": [{"type": "namespace", "tools": []}]},
        "missing_required_parameter",
        "tools[0].name",
    ),
    "a group without tools": (
        {"tools": [{"type": "namespace", "name": "g"}]},
        "missing_required_parameter",
        "tools[0].tools",
    ),
    "a built-in tool in a group": (
        {"tools": [{"type": "namespace", "name": "g", "tools": [SEARCH]}]},
        "invalid_value",
        "tools[0].tools[0].type",
    ),
    "a tool in the input": (
        {"input": [user(), {"type": "additional_tools", "tools": [{"type": "x"}]}]},
        "invalid_value",
        "input[1].tools[0].type",
    ),
    "an unknown form": (
        {"tools": [{**EXEC, "format": {"type": "x"}}]},
        "invalid_value",
        "tools[0].format.type",
    ),
    "an unknown grammar": (
        {"tools": [{**EXEC, "format": {"type": "grammar", "syntax": "x", "definition": "y"}}]},
        "invalid_value",
        "tools[0].format.syntax",
    ),
    "no grammar": (
        {"tools": [{**EXEC, "format": {"type": "grammar", "syntax": "lark"}}]},
        "missing_required_parameter",
        "tools[0].format.definition",
    ),
    "a choice that is no word": ({"tool_choice": "any"}, "invalid_value", "tool_choice"),
    "a choice that is a number": ({"tool_choice": 1}, "invalid_type", "tool_choice"),
    "a choice without type": (
        {"tool_choice": {}},
        "missing_required_parameter",
        "tool_choice.type",
    ),
    "an unknown choice": ({"tool_choice": {"type": "x"}}, "invalid_value", "tool_choice.type"),
    "a choice without name": (
        {"tool_choice": {"type": "function"}},
        "missing_required_parameter",
        "tool_choice.name",
    ),
    "a choice that is not offered": (
        {"tools": [function()], "tool_choice": {"type": "function", "name": "g"}},
        "invalid_value",
        "tool_choice",
    ),
    "that of chat": (
        {"tools": [function()], "tool_choice": NAMED},
        "missing_required_parameter",
        "tool_choice.name",
    ),
    "a built-in tool is demanded": (
        {"tools": [function(), SEARCH], "tool_choice": SEARCH},
        "unsupported_parameter",
        "tool_choice",
    ),
    "a server is demanded": (
        {"tools": [function()], "tool_choice": {"type": "mcp", "server_label": "x"}},
        "unsupported_parameter",
        "tool_choice",
    ),
    "some tool is demanded": ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
    "some tool is demanded of built-in ones": (
        {"tools": [SEARCH], "tool_choice": "required"},
        "unsupported_parameter",
        "tools[0].type",
    ),
    "built-in tools are allowed": (
        {"tools": [function(), SEARCH], "tool_choice": allowed(SEARCH)},
        "unsupported_parameter",
        "tool_choice",
    ),
    "nothing is allowed": (
        {"tools": [function()], "tool_choice": allowed()},
        "missing_required_parameter",
        "tool_choice.tools",
    ),
    "an unknown tool is allowed": (
        {"tools": [function()], "tool_choice": allowed(EXEC)},
        "invalid_value",
        "tool_choice.tools[0]",
    ),
    "an unknown mode": (
        {"tools": [function()], "tool_choice": allowed(function(), mode="x")},
        "invalid_value",
        "tool_choice.mode",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tools_and_choices_are_refused_with_their_place(name: str) -> None:
    fields, code, param = WRONG[name]
    error = refused(**fields)
    assert (error.code, error.param) == (code, param)
