"""Whatever an app sends becomes a chat completion or OpenAI's error, and in no time."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vast_intercept.bridges.responses.conversation import MAX_ARGUMENTS
from vast_intercept.bridges.responses.input_items import MAX_ITEMS, MAX_PARTS
from vast_intercept.bridges.responses.request import Converted, Request, read
from vast_intercept.bridges.responses.tools import MAX_TOOLS
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.limits import MAX_BRIDGED
from vast_intercept.openai_api.media_parts import MAX_MEDIA
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.outline import needs_outline
from vast_intercept.openai_api.requests import outline_of, read_request

from .asking import RESPONSE_ID, call, converted, function, output, user

#: Milliseconds for which one call may block the event loop.
LONGEST = 50

texts = st.text(max_size=5) | st.sampled_from(["c1", "c2", "f", "msg_1", "{}", "\ud800"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def often(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What is usual, and anything else once in a hundred times."""
    return st.integers(0, 99).flatmap(lambda number: values if number == 57 else usual)


def one_of(*words: object) -> st.SearchStrategy[Any]:
    """One of these words nearly always."""
    return often(st.sampled_from(words))


parts = st.one_of(
    st.fixed_dictionaries({"type": one_of("input_text", "output_text"), "text": one_of("Hi", "")}),
    st.fixed_dictionaries({"type": one_of("refusal"), "refusal": one_of("No")}),
    st.fixed_dictionaries({"type": one_of("input_text", "input_image", "reasoning_text")}),
)
contents = often(st.lists(often(parts), max_size=3) | texts)
ids = {"id": one_of("msg_1", "msg_2", "rs_1", None), "status": one_of("completed", "incomplete")}
call_ids = one_of("c1", "c2")
thoughts = often(st.lists(st.fixed_dictionaries({"text": one_of("Hm")}), max_size=2))
tools = st.fixed_dictionaries(
    {"type": one_of("function", "function", "custom", "web_search"), "name": one_of("f", "g")},
    optional={
        "description": one_of("Does.", None),
        "parameters": one_of({}, None),
        "strict": one_of(True, None),
        "format": one_of({"type": "text"}, None),
    },
)
groups = st.fixed_dictionaries(
    {
        "type": one_of("namespace"),
        "name": one_of("f", "g", "g__f", "functions"),
        "tools": st.lists(tools, max_size=2),
    }
)
items = st.one_of(
    st.fixed_dictionaries(
        {"role": one_of("user", "assistant", "system", "developer"), "content": contents},
        optional={"type": one_of("message"), **ids},
    ),
    st.fixed_dictionaries(
        {
            "type": one_of("function_call"),
            "call_id": call_ids,
            "name": one_of("f", "g"),
            "arguments": one_of("{}", "x", ""),
        },
        optional={"namespace": one_of("g", None), **ids},
    ),
    st.fixed_dictionaries(
        {
            "type": one_of("function_call_output", "custom_tool_call_output"),
            "call_id": call_ids,
            "output": contents,
        },
        optional=ids,
    ),
    st.fixed_dictionaries(
        {
            "type": one_of("custom_tool_call"),
            "call_id": call_ids,
            "name": one_of("f"),
            "input": one_of("x"),
        }
    ),
    st.fixed_dictionaries(
        {"type": one_of("reasoning")},
        optional={
            "summary": thoughts,
            "content": thoughts,
            "encrypted_content": one_of("vi1_SG0u", "gAAAA", None),
            **ids,
        },
    ),
    st.fixed_dictionaries(
        {"type": one_of("additional_tools"), "tools": st.lists(tools | groups, max_size=2)}
    ),
    st.fixed_dictionaries(
        {"type": one_of("item_reference", "web_search_call", "mcp_call")}, optional=ids
    ),
)
choices = st.one_of(
    one_of("none", "auto"),
    st.fixed_dictionaries({"type": one_of("function", "custom"), "name": one_of("f", "g")}),
    st.fixed_dictionaries(
        {
            "type": one_of("allowed_tools"),
            "mode": one_of("auto", "required"),
            "tools": st.lists(tools, max_size=2),
        }
    ),
)
bodies = st.fixed_dictionaries(
    {"input": often(st.lists(often(items), min_size=1, max_size=5) | st.just("Hi"))},
    optional={
        "model": one_of("m"),
        "instructions": one_of("Be brief."),
        "tools": often(st.lists(tools | groups, max_size=3)),
        "tool_choice": choices,
        "include": often(st.lists(one_of("message.output_text.logprobs"), max_size=2)),
        "previous_response_id": one_of("resp_1"),
        "max_output_tokens": one_of(5),
        "text": one_of({"format": {"type": "json_object"}}, {}, {"verbosity": "low"}),
        "reasoning": one_of({"effort": "low"}, {}),
        "metadata": one_of({"a": "b"}, {}),
        "stream": one_of(True, False),
        "store": one_of(True, False),
        "truncation": one_of("auto"),
    },
)


def in_json(value: object) -> bytes:
    return json.dumps(value).encode()


@settings(max_examples=300)
@given(
    often(bodies),
    st.lists(st.lists(items, max_size=3).map(in_json), max_size=1),
    st.dictionaries(texts, items.map(in_json), max_size=2),
)
def test_a_request_becomes_a_chat_completion_or_an_error(
    body: object, history: list[bytes], referenced: dict[str, bytes]
) -> None:
    try:
        made = read(in_json(body)).convert(RESPONSE_ID, history, referenced)
        read_request(Operation.CHAT_COMPLETIONS, made.chat)
    except ApiError as error:
        assert_is_openais(error)
    else:
        assert_is_whole(made)


@given(st.binary(max_size=40))
def test_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(ApiError):
        read(body)


def assert_is_openais(error: ApiError) -> None:
    """The error is the app's own, and says which."""
    assert error.type == "invalid_request_error"
    assert json.loads(error.body())["error"]["code"]


def assert_is_whole(made: Converted) -> None:
    """Every call has its output behind it, every tool its name, and every item its id."""
    chat = json.loads(made.chat)
    assert chat["messages"]
    waiting: set[str] = set()
    for message in chat["messages"]:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting
        waiting = {each["id"] for each in message.get("tool_calls", ())}
    assert not waiting
    names = [tool["function"]["name"] for tool in chat.get("tools", ())]
    assert len(set(names)) == len(names)
    assert set(names) <= made.asked.tools.keys()
    assert all(item["id"] for item in json.loads(made.asked.items))


def text_of(size: int, piece: bytes = b"x") -> bytes:
    return b'"%b"' % (piece * (size // len(piece)))


def with_input(*parts: bytes) -> bytes:
    return b'{"input":[%b]}' % b",".join(parts)


LARGE = MAX_BRIDGED - 1_000
USER = b'{"role":"user","content":"x"}'
OUTPUT = b'{"type":"function_call_output","call_id":"c","output":""}'


def a_call(arguments: bytes) -> bytes:
    made = b'{"type":"function_call","call_id":"c","name":"f","arguments":%b}' % arguments
    return with_input(made, OUTPUT)


def a_custom_call(given: bytes) -> bytes:
    made = b'{"type":"custom_tool_call","call_id":"c","name":"f","input":%b}' % given
    return with_input(made, OUTPUT)


IMAGE = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "high"}


def an_image(url: bytes) -> bytes:
    made = b'{"role":"user","content":[{"type":"input_image","image_url":%b}]}' % url
    return with_input(made)


def calls(count: int) -> bytes:
    made = [item for number in range(count) for item in (call(f"c{number}"), output(f"c{number}"))]
    return in_json({"input": made})


def offering(*tools: object) -> bytes:
    return in_json({"input": "Hi", "tools": tools})


SCHEMA = {"enum": list(range(150_000))}
GROUP = {"type": "namespace", "name": "g" * 99, "description": "d" * 1_000_000}

WORST: dict[str, Callable[[], bytes]] = {
    "a huge text": lambda: b'{"input":%b}' % text_of(LARGE),
    "a huge text in an item": lambda: with_input(USER.replace(b'"x"', text_of(LARGE))),
    "a huge text of escapes": lambda: b'{"input":%b}' % text_of(LARGE, b"\\n"),
    "a huge text of emoji": lambda: b'{"input":%b}' % text_of(LARGE, "\U0001f600".encode()),
    "many items": lambda: with_input(*[USER] * MAX_ITEMS),
    "many large items": lambda: with_input(*[USER.replace(b'"x"', text_of(1_600))] * MAX_ITEMS),
    "too many items": lambda: with_input(*[USER] * 20_000),
    "empty items": lambda: with_input(*[b"{}"] * 40_000),
    "many numbers": lambda: with_input(*[b"1"] * (LARGE // 2)),
    "many parts": lambda: in_json(
        {"input": [user() | {"content": [{"type": "input_text", "text": "x"}] * MAX_PARTS}]}
    ),
    "a huge image": lambda: an_image(text_of(LARGE, b"iVBO")),
    "a huge image of escapes": lambda: an_image(text_of(LARGE, b"i/B\\/")),
    "many images": lambda: in_json({"input": [user() | {"content": [IMAGE] * MAX_MEDIA}]}),
    "too many images": lambda: in_json({"input": [user() | {"content": [IMAGE] * MAX_PARTS}]}),
    "many images of calls": lambda: in_json(
        {"input": [call(), output(text=[IMAGE] * MAX_MEDIA), user()]}
    ),
    "many calls": lambda: calls(MAX_ITEMS // 2),
    "huge arguments": lambda: a_call(b'"{%b}"' % (b'\\"a\\":1,' * (LARGE // 8))[:-1]),
    "huge arguments that are not JSON": lambda: a_call(text_of(LARGE, b'\\"')),
    "arguments that are nested deeply": lambda: a_call(text_of(LARGE, b"[")),
    "large arguments": lambda: a_call(b'"{%b}"' % (b'\\"a\\":1,' * (MAX_ARGUMENTS // 9))[:-1]),
    "a huge input of a custom tool": lambda: a_custom_call(text_of(LARGE, b'\\"')),
    "a large input of a custom tool": lambda: a_custom_call(text_of(MAX_ARGUMENTS - 2, b'\\"')),
    "many calls that were cut off": lambda: in_json(
        {"input": [user(), *[call(f"c{n}", status="incomplete") for n in range(MAX_ITEMS - 1)]]}
    ),
    "much reasoning between calls": lambda: with_input(
        *[
            piece
            for number in range(MAX_ITEMS // 3)
            for piece in (
                b'{"type":"reasoning","content":[{"text":%b}]}' % text_of(4_000),
                b'{"type":"function_call","call_id":"c%d","name":"f","arguments":""}' % number,
            )
        ],
        *[OUTPUT.replace(b'"c"', b'"c%d"' % number) for number in range(MAX_ITEMS // 3)],
    ),
    "a schema of 1 MB": lambda: offering(function(parameters=SCHEMA)),
    "many tools": lambda: offering(
        *[function("f" * 100 + str(number)) for number in range(MAX_TOOLS)]
    ),
    "a group with a huge description": lambda: offering(
        {**GROUP, "tools": [function(f"f{number}") for number in range(MAX_TOOLS - 1)]}
    ),
    "a group of numbers": lambda: (
        b'{"input":[%b,{"type":"additional_tools","tools":[{"type":"namespace","name":"n",'
        b'"tools":[%b]}]}]}' % (USER, b",".join([b"1"] * 990_000))
    ),
    "a schema of numbers": lambda: offering(function(parameters={"enum": [1] * 990_000})),
    "a schema of too many numbers": lambda: offering(
        function(parameters={"enum": [1] * 2_700_000})
    ),
    "a group of too many tools": lambda: (
        b'{"input":[%b,{"type":"additional_tools","tools":[{"type":"namespace","name":"n",'
        b'"tools":[%b]}]}]}' % (USER, b",".join([b"{}"] * 1_390_000))
    ),
    "a schema of many objects": lambda: offering(function(parameters={"a": [{}] * 99_000})),
    "a call with a huge name": lambda: with_input(
        b'{"type":"function_call","call_id":"c","arguments":"","name":%b}'
        % text_of(LARGE, "\u00e4".encode()),
        OUTPUT,
    ),
    "a call with a huge id": lambda: with_input(
        b'{"type":"function_call","name":"f","arguments":"","call_id":%b}' % text_of(LARGE)
    ),
    "nested deeply": lambda: b'{"input":%b}' % (b"[" * 500_000 + b"]" * 500_000),
}


@pytest.mark.parametrize("name", WORST)
def test_no_request_blocks_the_event_loop(name: str) -> None:
    body = WORST[name]()
    assert len(body) <= MAX_BRIDGED
    if needs_outline(body):
        try:
            for _ in outline_of(body):
                pass
        except ApiError:
            return
    assert min(longest_step(body) for _ in range(5)) < LONGEST


def longest_step(body: bytes) -> float:
    """Milliseconds of the longer of the two steps. Between them, other calls have their turn."""
    requests: list[Request] = []
    reading = milliseconds(lambda: refused_or(lambda: requests.append(read(body))))
    if not requests:
        return reading
    convert = requests[0].convert
    return max(reading, milliseconds(lambda: refused_or(lambda: convert(RESPONSE_ID))))


def refused_or(action: Callable[[], object]) -> None:
    """Does it, and lets it be refused as OpenAI would."""
    try:
        action()
    except ApiError as error:
        assert_is_openais(error)


# Not counting what other processes do in the meantime.
def milliseconds(action: Callable[[], object]) -> float:
    begun = time.thread_time()
    action()
    return (time.thread_time() - begun) * 1_000


def test_a_usual_request_is_converted_in_less_than_0_3_milliseconds() -> None:
    tools = [function(f"f{number}", description="Does." * 20) for number in range(10)]
    said = [user("Hi" * 100), {"role": "assistant", "content": "Hello" * 100}] * 5
    body = in_json({"model": "m", "input": [*said, user()], "tools": tools, "stream": True})
    assert min(milliseconds(lambda: read(body).convert(RESPONSE_ID)) for _ in range(50)) < 0.3


def test_a_conversation_of_100_turns_adds_less_than_5_milliseconds() -> None:
    turns = [
        json.loads(converted(input=[user("Hi" * 100)]).asked.items)
        if number % 2 == 0
        else [
            {"id": f"rs_{number}", "type": "reasoning", "summary": []},
            {**call(f"c{number}"), "id": f"fc_{number}"},
            {**output(f"c{number}"), "id": f"fco_{number}"},
            {
                "id": f"msg_{number}",
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello" * 100}],
            },
        ]
        for number in range(200)
    ]
    for number, turn in enumerate(turns[::2]):
        turn[0]["id"] = f"msg_in_{number}"
    history = [in_json(turn) for turn in turns]
    request = read(in_json({"input": "Hi"}))
    assert len(json.loads(request.convert(RESPONSE_ID, history).chat)["messages"]) == 401
    taken = min(milliseconds(lambda: request.convert(RESPONSE_ID, history)) for _ in range(20))
    assert taken < 5
