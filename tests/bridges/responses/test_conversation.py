"""Items of a request become messages of a chat completion."""

import json
from typing import Any

import pytest

from vast_intercept.bridges.responses.reasoning import encode
from vast_intercept.openai_api.limits import MAX_BRIDGED

from .asking import call, chat, converted, messages, output, refused, tool_call, user

A_TEXT = {"type": "input_text", "text": "Hi"}
AN_ANSWER = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}

CONTENTS: dict[str, tuple[object, object]] = {
    "a text": ("Hi", "Hi"),
    "an empty text": ("", ""),
    "escapes": ('ü"\\\n\U0001f600', 'ü"\\\n\U0001f600'),
    "one part": ([A_TEXT], "Hi"),
    "an answer": ([AN_ANSWER], "Hello"),
    "no parts": ([], ""),
    "two parts": (
        [A_TEXT, AN_ANSWER],
        [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Hello"}],
    ),
    "a refusal": (
        [{"type": "refusal", "refusal": "No."}],
        [{"type": "refusal", "refusal": "No."}],
    ),
}


@pytest.mark.parametrize("kind", [{}, {"type": "message"}], ids=["easy", "message"])
@pytest.mark.parametrize("role", ["user", "assistant", "system", "developer"])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_message_keeps_its_text(kind: dict[str, str], role: str, name: str) -> None:
    content, expected = CONTENTS[name]
    made = messages(user(), {**kind, "role": role, "content": content})
    chat_role = "system" if role == "developer" else role
    assert made[1] == {"role": chat_role, "content": expected}


def test_a_text_as_input_is_what_the_user_says() -> None:
    assert chat(input="Hi\n")["messages"] == [{"role": "user", "content": "Hi\n"}]


def test_what_else_a_message_has_is_ignored() -> None:
    item = {"id": "msg_1", "type": "message", "status": "completed", "phase": "final_answer"}
    made = messages(
        user(), {**item, "role": "assistant", "content": [AN_ANSWER], "made": {"up": 1}}
    )
    assert made[1] == {"role": "assistant", "content": "Hello"}


def test_instructions_and_the_first_system_messages_are_one_message() -> None:
    developer = {"role": "developer", "content": [A_TEXT, {**A_TEXT, "text": "Ho"}]}
    system = {"role": "system", "content": "Late"}
    made = messages(developer, system, user(), system, instructions="Be brief.")
    parts = [{"type": "text", "text": text} for text in ("Be brief.", "Hi", "Ho", "Late")]
    assert made == [
        {"role": "system", "content": parts},
        {"role": "user", "content": "Hi"},
        system,
    ]


@pytest.mark.parametrize("instructions", [None, "", "Be brief."])
def test_instructions_of_earlier_turns_are_not_inherited(instructions: str | None) -> None:
    made = chat(history=[[user("One")]], instructions=instructions)["messages"]
    head = [{"role": "system", "content": instructions}] if instructions else []
    assert made == [*head, user("One"), user("Hi")]


REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
THOUGHT = {**REASONING, "content": [{"type": "reasoning_text", "text": "Hm."}]}
SAID = {"role": "assistant", "content": "I look."}
TOOL = {"role": "tool", "tool_call_id": "c1", "content": "done"}
TOOL2 = {**TOOL, "tool_call_id": "c2"}


def assistant(content: str | None, *calls: object, reasoning: str | None = None) -> Any:
    made: dict[str, Any] = {"role": "assistant", "content": content}
    if reasoning:
        made["reasoning"] = reasoning
    if calls:
        made["tool_calls"] = list(calls)
    return made


TURNS: dict[str, tuple[list[Any], list[Any]]] = {
    "one call": ([call(), output()], [assistant(None, tool_call()), TOOL]),
    "calls in parallel": (
        [call(), call("c2"), output(), output("c2")],
        [assistant(None, tool_call(), tool_call("c2")), TOOL, TOOL2],
    ),
    "outputs the other way round": (
        [call(), call("c2"), output("c2"), output()],
        [assistant(None, tool_call(), tool_call("c2")), TOOL2, TOOL],
    ),
    "one call after another": (
        [call(), output(), call("c2"), output("c2")],
        [assistant(None, tool_call()), TOOL, assistant(None, tool_call("c2")), TOOL2],
    ),
    "text and calls": (
        [SAID, call(), call("c2"), output(), output("c2")],
        [assistant("I look.", tool_call(), tool_call("c2")), TOOL, TOOL2],
    ),
    "text behind a call": (
        [call(), SAID, output()],
        [assistant("I look.", tool_call()), TOOL],
    ),
    "reasoning, text and a call": (
        [THOUGHT, SAID, call(), output()],
        [assistant("I look.", tool_call(), reasoning="Hm."), TOOL],
    ),
    "reasoning between calls": (
        [THOUGHT, call(), {**THOUGHT, "id": "rs_2"}, call("c2"), output(), output("c2")],
        [assistant(None, tool_call(), tool_call("c2"), reasoning="Hm.\n\nHm."), TOOL, TOOL2],
    ),
    "reasoning of another answer": (
        [SAID, THOUGHT, {**SAID, "content": "Done."}],
        [assistant("I look."), assistant("Done.", reasoning="Hm.")],
    ),
    "a user between a call and its output": (
        [call(), user("Wait"), output()],
        [assistant(None, tool_call()), TOOL, user("Wait")],
    ),
    "an output before its call": ([output(), call()], [assistant(None, tool_call()), TOOL]),
    "an id that is used again behind an early output": (
        [output(), call(), call(), output()],
        [assistant(None, tool_call()), TOOL] * 2,
    ),
    "an id that is used again": (
        [call(), output(), call(), output()],
        [assistant(None, tool_call()), TOOL] * 2,
    ),
    "an output of parts": (
        [call(), output(text=[A_TEXT])],
        [assistant(None, tool_call()), {**TOOL, "content": "Hi"}],
    ),
    "an output of several parts": (
        [call(), output(text=[A_TEXT, {**A_TEXT, "text": 'a"\n'}, AN_ANSWER])],
        [assistant(None, tool_call()), {**TOOL, "content": 'Hi\na"\n\nHello'}],
    ),
    "a call that was cut off": (
        [SAID, call(arguments='{"a', status="incomplete"), user("Go on")],
        [assistant("I look."), user("Go on")],
    ),
    "nothing but a call that was cut off": (
        [THOUGHT, call(arguments='{"a', status="incomplete"), user("Go on")],
        [user("Go on")],
    ),
    "reasoning that led to nothing": ([THOUGHT, user("Again")], [user("Again")]),
    "a custom tool": (
        [
            {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": 'a"\n'},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
        ],
        [assistant(None, tool_call(arguments='{"input":"a\\"\\n"}')), TOOL],
    ),
}


@pytest.mark.parametrize("name", TURNS)
def test_what_the_assistant_did_is_one_message_with_its_outputs_behind(name: str) -> None:
    items, expected = TURNS[name]
    assert messages(user(), *items) == [user(), *expected]


@pytest.mark.parametrize("name", TURNS)
def test_a_conversation_is_the_same_in_one_call_and_over_two(name: str) -> None:
    items, expected = TURNS[name]
    made = chat(input=[user("Next")], history=[[user()], items])["messages"]
    assert made == [user(), *expected, user("Next")]


def test_an_output_may_belong_to_a_call_of_an_earlier_turn() -> None:
    made = chat(input=[output()], history=[[user()], [call()]])["messages"]
    assert made == [user(), assistant(None, tool_call()), TOOL]


ARGUMENTS = {
    '{"a": 1}': '{"a": 1}',
    "": "{}",
    '{"a": ': '{"arguments":"{\\"a\\": "}',
    "[1]": '{"arguments":"[1]"}',
    "no JSON": '{"arguments":"no JSON"}',
}


@pytest.mark.parametrize("given", ARGUMENTS)
def test_arguments_are_always_an_object_since_vllm_reads_them(given: str) -> None:
    made = messages(user(), call(arguments=given), output())
    assert made[1]["tool_calls"] == [tool_call(arguments=ARGUMENTS[given])]


THOUGHTS: dict[str, tuple[dict[str, object], str | None]] = {
    "our own": ({"encrypted_content": encode("Hm."), "content": []}, "Hm."),
    "our own with a summary": (
        {
            "encrypted_content": encode("Hm."),
            "summary": [{"type": "summary_text", "text": "Hm"}],
        },
        "Hm.",
    ),
    "in the open": ({"content": [{"type": "reasoning_text", "text": "Hm."}]}, "Hm."),
    "two parts": (
        {"content": [{"type": "reasoning_text", "text": text} for text in ("Hm.", "", "Ah.")]},
        "Hm.\n\nAh.",
    ),
    "a summary alone": ({"summary": [{"type": "summary_text", "text": "Hm."}]}, "Hm."),
    "OpenAI's": ({"encrypted_content": "gAAAAABk", "summary": [{"text": "A summary"}]}, None),
    "nothing": ({}, None),
    "nulls": ({"encrypted_content": None, "content": None, "summary": None}, None),
}


@pytest.mark.parametrize("name", THOUGHTS)
def test_the_model_gets_its_reasoning_back(name: str) -> None:
    fields, thought = THOUGHTS[name]
    made = messages(user(), {**REASONING, **fields}, SAID)
    assert made[1] == assistant("I look.", reasoning=thought)


def test_items_of_built_in_tools_are_left_out_and_named() -> None:
    searched = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}}
    listed = {"type": "mcp_list_tools", "id": "mcp_1", "tools": [{"name": 1}]}
    made = converted(input=[user(), searched, listed, searched | {"id": "ws_2"}])
    assert json.loads(made.chat)["messages"] == [user()]
    assert made.left_out == ("item web_search_call", "item mcp_list_tools")


def test_a_reference_stands_for_its_item() -> None:
    said = {"id": "msg_1", "type": "message", "role": "assistant", "content": [AN_ANSWER]}
    found = {"msg_1": said}
    for reference in ({"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}):
        made = converted(input=[user(), reference, user("Next")], referenced=found)
        texts = [message["content"] for message in json.loads(made.chat)["messages"]]
        assert texts == ["Hi", "Hello", "Next"]
        assert json.loads(made.asked.items)[1] == said


def test_what_is_kept_of_the_input_has_ids_and_types() -> None:
    kept = json.loads(
        converted(
            input=[
                user(),
                {"role": "assistant", "content": "Hello"},
                {"id": None, "role": "user", "content": [A_TEXT]},
                {"id": "mine", "role": "user", "content": [A_TEXT]},
                call(),
                output(id="fco_1"),
                output(id=None) | {"call_id": "c2"},
                call("c2"),
                {**REASONING, "id": ""},
            ]
        ).asked.items
    )
    assert [item["id"] for item in kept] == [
        "msg_abc10000",
        "msg_abc10001",
        "msg_abc10002",
        "mine",
        "fc_abc10004",
        "fco_1",
        "fco_abc10006",
        "fc_abc10007",
        "rs_abc10008",
    ]
    assert [item["type"] for item in kept[:4]] == ["message"] * 4
    assert kept[0]["content"] == [{"type": "input_text", "text": "Hi"}]
    assert kept[0]["status"] == "completed"
    assert kept[1]["content"] == [{"type": "output_text", "text": "Hello"}]
    assert kept[2]["content"] == [A_TEXT]
    assert kept[4] == {**call(), "id": "fc_abc10004"}


def test_nothing_of_the_input_is_kept_without_store() -> None:
    assert converted(store=False).asked.items == b"[]"
    assert not converted(store=False).asked.store


@pytest.mark.parametrize("name", TURNS)
def test_what_was_kept_is_read_again_as_the_same_conversation(name: str) -> None:
    items, expected = TURNS[name]
    kept = json.loads(converted(input=[user(), *items]).asked.items)
    assert chat(input=[user("Next")], history=[kept])["messages"] == [
        user(),
        *expected,
        user("Next"),
    ]


NO_OUTPUT, NO_CALL = "No tool output found for ", "No tool call found for "
WRONG: dict[str, tuple[list[Any], str, str, str]] = {
    "a number": ([user(), 1], "invalid_type", "input[1]", "expected `object`"),
    "a null": ([None], "invalid_type", "input[0]", "expected `object`"),
    "nothing": ([{}], "missing_required_parameter", "input[0].type", "Missing"),
    "no type": ([{"call_id": "c"}], "missing_required_parameter", "input[0].type", "Missing"),
    "unknown type": ([{"type": "x"}], "invalid_value", "input[0].type", "'x'"),
    "type a number": ([{"type": 1}], "invalid_type", "input[0].type", "expected `str"),
    "unknown role": ([{"role": "x", "content": ""}], "invalid_value", "input[0].role", "'x'"),
    "no role": (
        [{"type": "message", "content": ""}],
        "missing_required_parameter",
        "input[0].role",
        "Missing",
    ),
    "no content": ([{"role": "user"}], "missing_required_parameter", "input[0].content", "Missing"),
    "content a number": (
        [{"role": "user", "content": 1}],
        "invalid_type",
        "input[0].content",
        "expected a text",
    ),
    "an image of the model": (
        [
            user(),
            {"role": "assistant", "content": [A_TEXT, {"type": "input_image", "image_url": "x"}]},
        ],
        "unsupported_content",
        "input[1].content[1]",
        "input_image",
    ),
    "a file": (
        [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}],
        "unsupported_content",
        "input[0].content[0]",
        "input_file",
    ),
    "a sound of the system": (
        [{"role": "system", "content": [{"type": "input_audio"}]}],
        "unsupported_content",
        "input[0].content[0]",
        "input_audio",
    ),
    "a part of chat completions": (
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "invalid_value",
        "input[0].content[0].type",
        "'text'",
    ),
    "a part without type": (
        [{"role": "user", "content": [{"text": "Hi"}]}],
        "missing_required_parameter",
        "input[0].content[0].type",
        "Missing",
    ),
    "a part without text": (
        [{"role": "user", "content": [{"type": "input_text"}]}],
        "missing_required_parameter",
        "input[0].content[0].text",
        "Missing",
    ),
    "a text that is a number": (
        [{"role": "user", "content": [{"type": "input_text", "text": 1}]}],
        "invalid_type",
        "input[0].content[0].text",
        "expected a text",
    ),
    "a part that is a text": (
        [{"role": "user", "content": ["Hi"]}],
        "invalid_type",
        "input[0].content[0]",
        "expected `object`",
    ),
    "a call without id": (
        [{"type": "function_call", "name": "f", "arguments": ""}],
        "missing_required_parameter",
        "input[0].call_id",
        "Missing",
    ),
    "a call without name": (
        [call(name="")],
        "missing_required_parameter",
        "input[0].name",
        "Missing",
    ),
    "arguments an object": (
        [{**call(), "arguments": {}}],
        "invalid_type",
        "input[0].arguments",
        "expected a text",
    ),
    "a custom call without input": (
        [{"type": "custom_tool_call", "call_id": "c", "name": "f"}],
        "missing_required_parameter",
        "input[0].input",
        "Missing",
    ),
    "a call without output": (
        [user(), call()],
        "invalid_value",
        "input",
        NO_OUTPUT + "function call c1.",
    ),
    "a custom call without output": (
        [user(), {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": ""}],
        "invalid_value",
        "input",
        NO_OUTPUT + "custom tool call c1.",
    ),
    "an output without call": (
        [user(), output("c9")],
        "invalid_value",
        "input",
        NO_CALL + "function call output with call_id c9.",
    ),
    "two outputs": (
        [call(), output(), output()],
        "invalid_value",
        "input[2].call_id",
        "Two tool outputs",
    ),
    "two outputs without call": (
        [output(), output()],
        "invalid_value",
        "input[1].call_id",
        "Two tool outputs",
    ),
    "two calls with one id": (
        [call(), call()],
        "invalid_value",
        "input[1].call_id",
        "Two tool calls",
    ),
    "an output without output": (
        [call(), {"type": "function_call_output", "call_id": "c1"}],
        "missing_required_parameter",
        "input[1].output",
        "Missing",
    ),
    "an id twice": (
        [{"id": "msg_1", **user()}] * 2,
        "invalid_value",
        "input",
        "Duplicate item found with id msg_1.",
    ),
    "a reference to nothing": (
        [{"type": "item_reference", "id": "msg_1"}],
        "not_found",
        "input",
        "Item with id 'msg_1' not found.",
    ),
    "a reference without id": (
        [{"type": "item_reference"}],
        "missing_required_parameter",
        "input[0].id",
        "Missing",
    ),
    "a compacted conversation": (
        [user(), {"type": "compaction", "encrypted_content": "x"}],
        "unsupported_content",
        "input[1]",
        "compaction",
    ),
    "a thought that is a number": (
        [{**REASONING, "content": [{"text": 1}]}],
        "invalid_type",
        "input[0].content[0].text",
        "expected a text",
    ),
    "a thought without text": (
        [{**REASONING, "summary": [{}]}],
        "missing_required_parameter",
        "input[0].summary[0].text",
        "Missing",
    ),
    "only reasoning": ([REASONING], "missing_required_parameter", "input", "Missing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_items_are_refused_with_their_place(name: str) -> None:
    items, code, param, said = WRONG[name]
    error = refused(input=items)
    assert (error.code, error.param) == (code, param)
    assert said in error.message
    assert error.status == (404 if code == "not_found" else 400)


def test_an_item_of_an_earlier_turn_cannot_come_again() -> None:
    error = refused(input=[{**call(), "id": "fc_1"}], history=[[call(id="fc_1")]])
    assert "Duplicate item found with id fc_1." in error.message


def test_an_error_repeats_only_the_beginning_of_what_is_wrong() -> None:
    for items in ([call("c" * 9_999)], [output("c" * 9_999)], [{"id": "i" * 9_999}]):
        assert len(refused(input=items).message) < 300


@pytest.mark.parametrize("stored", ["history", "referenced"])
def test_a_conversation_is_bounded_with_all_that_is_stored_of_it(stored: str) -> None:
    third, items = "x" * (MAX_BRIDGED // 3), [user("x" * (MAX_BRIDGED // 3))]
    more: dict[str, Any] = {
        "history": {"history": [[user(third)], [user(third)]]},
        "referenced": {"referenced": {name: user(third) for name in "ab"}},
    }[stored]
    references = [{"type": "item_reference", "id": name} for name in more.get("referenced", ())]
    error = refused(input=[*references, *items], **more)
    param = "input" if references else "previous_response_id"
    assert (error.status, error.code, error.param) == (413, "request_too_large", param)
    assert chat(input=[*references, user()], **more)["messages"][-1] == user()


def test_a_call_of_an_earlier_turn_must_have_its_output() -> None:
    error = refused(input="Hi", history=[[user()], [call()]])
    assert error.message == "No tool output found for function call c1."
    error = refused(input=[output()], history=[[call()], [output()]])
    assert error.param == "input[0].call_id"
