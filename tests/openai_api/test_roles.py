"""Roles of messages that a model's template does not know: renamed, and explained."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.errors import ApiError, from_upstream
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.outline import Outline, needs_outline
from vast_intercept.openai_api.requests import outline_of, read_request
from vast_intercept.openai_api.roles import explain_refused_role, renamed

SYSTEM = {"developer": "system"}


def sent(messages: bytes, roles: dict[str, str]) -> bytes:
    made = b""
    begin = 0
    for place, value in renamed(messages, roles):
        made += messages[begin : place.start] + value
        begin = place.stop
    return made + messages[begin:]


RENAMED = {
    "the role first": (
        b'[{"role":"developer","content":"a"},{"role":"user","content":"b"}]',
        b'[{"role":"system","content":"a"},{"role":"user","content":"b"}]',
    ),
    "the role last": (
        b'[{"content":[{"type":"text","text":"a"}] , "role" : "developer" }]',
        b'[{"content":[{"type":"text","text":"a"}] , "role" : "system" }]',
    ),
    "several": (
        b'[{"role":"developer"},\n {"role":"user"} , {"role":"developer"}]',
        b'[{"role":"system"},\n {"role":"user"} , {"role":"system"}]',
    ),
    "the last of two, which counts": (
        b'[{"role":"developer","role":"developer"}]',
        b'[{"role":"developer","role":"system"}]',
    ),
    "the role further in": (
        b'[{"content":[{"role":"developer"}],"x":{"role":"developer"},"role":"developer"}]',
        b'[{"content":[{"role":"developer"}],"x":{"role":"developer"},"role":"system"}]',
    ),
    "a text about it": (
        rb'[{"content":"\"role\":\"developer\"","role":"developer"}]',
        rb'[{"content":"\"role\":\"developer\"","role":"system"}]',
    ),
    "letters of another message": (
        rb'[{"role":"developer","content":"\u00e9 \u001b"},{"role":"user","content":"\u0000"}]',
        rb'[{"role":"system","content":"\u00e9 \u001b"},{"role":"user","content":"\u0000"}]',
    ),
    "a role escaped, and one further in that is not": (
        rb'[{"r\u006fle":"developer","x":{"role":"developer"}}]',
        rb'[{"r\u006fle":"system","x":{"role":"developer"}}]',
    ),
    "the name escaped": (rb'[{"r\u006fle":"developer"}]', rb'[{"r\u006fle":"system"}]'),
}

AS_IT_IS = {
    "no messages": b"[ ]",
    "other roles": b'[{"role":"user"},{"role":"Developer"},{"role":"developer "}]',
    "no role": b'[{"content":"developer"},{}]',
    "a role that is none": b'[{"role":["developer"]},{"role":null},{"role":1}]',
    "two roles": b'[{"role":"user","role":"developer"},{"role":"developer","role":"user"}]',
    "so much that it is not taken apart": (
        b'[{"role":"developer","x":{"role":"developer"},"content":"%s"}]' % (b"a" * 2**16)
    ),
}


@pytest.mark.parametrize(("messages", "expected"), RENAMED.values(), ids=RENAMED.keys())
def test_a_role_is_renamed(messages: bytes, expected: bytes) -> None:
    assert sent(messages, SYSTEM) == expected
    assert sent(messages, {}) == messages


@pytest.mark.parametrize("messages", AS_IT_IS.values(), ids=AS_IT_IS.keys())
def test_as_it_is(messages: bytes) -> None:
    assert sent(messages, SYSTEM) == messages


def test_each_role_becomes_what_is_said_of_it() -> None:
    roles = {"developer": "system", "system": "user", "function": "tool"}
    messages = [{"role": role} for role in ("system", "developer", "function", "assistant")]
    made = json.loads(sent(json.dumps(messages).encode(), roles))
    assert [each["role"] for each in made] == ["user", "system", "tool", "assistant"]


MESSAGES = st.lists(
    st.dictionaries(
        st.sampled_from(["role", "content", "name", "rôle"]),
        st.sampled_from(["developer", "system", "user", 'é"\\'])
        | st.lists(st.dictionaries(st.sampled_from(["role", "text"]), st.text(max_size=3))),
    ),
    max_size=4,
)


@given(MESSAGES, st.sampled_from([None, 1]), st.booleans())
def test_nothing_else_changes(
    messages: list[dict[str, Any]], indent: int | None, ensure_ascii: bool
) -> None:
    text = json.dumps(messages, indent=indent, ensure_ascii=ensure_ascii)
    expected = [
        each | {"role": "system"} if each.get("role") == "developer" else each for each in messages
    ]
    expected_text = json.dumps(expected, indent=indent, ensure_ascii=ensure_ascii)
    assert sent(text.encode(), SYSTEM).decode() == expected_text


# --- in a body ------------------------------------------------------------------------------------


def body_for_vast(body: bytes, roles: dict[str, str], model: str | None = None) -> bytes:
    made = outlined(body)
    asked: list[str | None] = []

    def roles_for(model: str | None) -> dict[str, str]:
        asked.append(model)
        return roles

    request = read_request(Operation.CHAT_COMPLETIONS, body, made, roles_for)
    assert asked == [model]
    return request.body


def outlined(body: bytes) -> Outline | None:
    if not needs_outline(body):
        return None
    steps = outline_of(body)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            made: Outline = ended.value
            return made


LONG = rb"developer \"role\":\"developer\" " * 50_000


@pytest.mark.parametrize("long", [b"", LONG], ids=["short", "long"])
def test_only_the_roles_of_a_body_change(long: bytes) -> None:
    body = (
        b'{ "n":1.0e0,"messages":[{"content":"%s", "role" : "developer"},{"role":"user",'
        b'"content":"%s"},\n{"role":"developer","name":"a","content":"%s"}],"user":"developer"}'
    ) % (long, long, long)
    assert needs_outline(body) is bool(long)
    assert body_for_vast(body, {}) == body
    expected = body.replace(b'"role" : "developer"', b'"role" : "system"').replace(
        b'{"role":"developer"', b'{"role":"system"'
    )
    assert expected.count(b'"system"') == 2
    assert body_for_vast(body, SYSTEM) == expected


def test_roles_and_model_and_what_is_left_out() -> None:
    body = b'{"suffix":"","messages":[{"role":"developer"}],"model":"m","suffix":1,"n":1}'
    assert body_for_vast(body, SYSTEM, "m") == (
        b'{"messages":[{"role":"system"}],"model":"","n":1}'
    )


def test_too_many_to_rename() -> None:
    messages = b",".join([b'{"role":"developer"}'] * 1_001)
    body = b'{"messages":[' + messages + b"]}"
    assert body_for_vast(body, {}) == body
    with pytest.raises(ApiError, match="1,001 messages whose role is to be renamed") as raised:
        body_for_vast(body, SYSTEM)
    assert (raised.value.status, raised.value.code) == (400, "request_too_complex")
    fewer = body.replace(b'{"role":"developer"},', b"", 1)
    assert body_for_vast(fewer, SYSTEM) == fewer.replace(b"developer", b"system")


def test_the_last_messages_count() -> None:
    body = b'{"messages":[{"role":"developer"}],"messages":[{"role":"developer"},{"role":"user"}]}'
    assert body_for_vast(body, SYSTEM) == b'{"messages":[{"role":"system"},{"role":"user"}]}'


def test_text_completions_have_no_roles() -> None:
    body = b'{"prompt":"a","messages":[{"role":"developer"}]}'
    request = read_request(Operation.COMPLETIONS, body, None, lambda _: SYSTEM)
    assert request.body == body


# --- what vLLM says (FACTS C26) ------------------------------------------------------------------

REFUSED = [
    (400, "Unexpected message role."),
    (400, "Unknown role: developer"),
    (501, "Unknown role: developer"),
    (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
    (400, "Only user, system, assistant and tool roles are supported!"),
]
BODY = [b'{"messages":[{"role":"developer"', memoryview(b',"content":"a"}]}')]
REMEDY = "put `roles: {developer: system}` into the route"


def refusal(status: int, message: str) -> ApiError:
    body = {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}
    return from_upstream(status, json.dumps(body).encode(), endpoint="e")


@pytest.mark.parametrize(("status", "message"), REFUSED)
def test_the_remedy_is_named(status: int, message: str) -> None:
    error = refusal(status, message)
    error = explain_refused_role(error, BODY)
    assert error.message.startswith(message + " (")
    assert REMEDY in error.message


@pytest.mark.parametrize(("status", "message"), REFUSED)
def test_no_remedy_for_other_calls(status: int, message: str) -> None:
    error = refusal(status, message)
    error = explain_refused_role(
        error, [rb'{"messages":[{"role":"system","content":"\"developer\""}],"developer ":1}']
    )
    assert error.message == message


def test_no_remedy_for_other_errors() -> None:
    error = refusal(400, "temperature must be non-negative, not controlled")
    error = explain_refused_role(error, BODY)
    assert REMEDY not in error.message
