"""docs/calls.md: what it says of requests is what the bridges read."""

import re

import pytest

from vast_intercept.bridges.messages import request as messages
from vast_intercept.bridges.messages.request import read_messages
from vast_intercept.listed_operations.file_types import AUDIO, IMAGES
from vast_intercept.openai_api import limits
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
        (b'"messages":[{"role":"user","content":[{"type":"document"}]}]', "messages[0].content[0]"),
        (b'"messages":[{"role":"user","content":"x"}],"thread":{"id":"t"}', "thread"),
        (
            b'"messages":[{"role":"user","content":"x"}],"tools":[{"type":"bash_20250124"}]',
            "tools[0].type",
        ),
    ],
    ids=["document", "thread", "built-in"],
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


def test_the_limits_of_uploads_are_those_that_hold() -> None:
    section = PAGE.partition("## Files that are uploaded")[2].partition("\n## ")[0]
    mib = 1024 * 1024
    for said in (
        f"a file larger than {limits.MAX_FILE // mib} MiB",
        f"transcription of more than {(limits.MAX_FILE + limits.MAX_ALL_FIELDS) // mib} MiB",
        f"an edit of more than {limits.MAX_UPLOAD // mib} MiB",
        f"a field longer than {limits.MAX_FIELD // 1024} KiB",
        f"more than {limits.MAX_ALL_FIELDS // mib} MiB besides files",
        f"more than {limits.MAX_FILES} images",
        f"more than {limits.MAX_FIELDS} fields",
        f"{', '.join(AUDIO.shown[:-1])} or {AUDIO.shown[-1]}",
    ):
        assert said in section
    assert {*re.findall(r"[a-z]+", section.partition("for an image ")[2])} >= {*IMAGES.shown}
