"""docs/calls.md: what it says of requests is what the bridges read."""

import re

import pytest

from vast_intercept.bridges.messages import request as messages
from vast_intercept.bridges.messages.request import read_messages
from vast_intercept.openai_api.errors import ApiError

from ..harness import PROJECT

PAGE = (PROJECT / "docs" / "calls.md").read_text("utf-8")
SECTION = PAGE.partition("## Messages, as a chat completion")[2]
CELLS = re.findall(r"^\| (.+?) \|", SECTION, re.MULTILINE)


def test_every_field_of_messages_that_is_read_has_a_row() -> None:
    named = set(re.findall(r"`([a-z_]+)", "\n".join(CELLS)))
    fields = set(messages._Request.__struct_fields__) - {"messages"}
    assert fields <= named


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'"messages":[{"role":"user","content":[{"type":"image"}]}]', "messages[0].content[0]"),
        (b'"messages":[{"role":"user","content":"x"}],"thread":{"id":"t"}', "thread"),
        (
            b'"messages":[{"role":"user","content":"x"}],"tools":[{"type":"bash_20250124"}]',
            "tools[0].type",
        ),
    ],
    ids=["image", "thread", "built-in"],
)
def test_what_is_refused_is_refused_with_its_place(body: bytes, place: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_messages(b'{"model":"m","max_tokens":5,' + body + b"}", "req_1")
    assert (caught.value.status, caught.value.param) == (400, place)


def test_what_is_left_out_is_noted() -> None:
    made = read_messages(
        b'{"model":"m","max_tokens":100000,"mcp_servers":[{}],"cache_control":{},"tools":[{"type":'
        b'"web_search_20250305","name":"w"},{"name":"f","input_schema":{}}],"messages":[{"role":'
        b'"user","content":"x"},{"role":"assistant","content":[{"type":"server_tool_use"}]},'
        b'{"role":"user","content":"y"}]}',
        "req_1",
    )
    noted = {"tool web_search", "mcp_servers", "max_tokens", "block server_tool_use"}
    assert set(made.left_out) == noted
