"""Reads requests: what an app depends on, and the conversation in short."""

from collections.abc import Iterator
from typing import Any

from ...mitmweb.chat.layout import json_value, paragraphs, typed
from ...mitmweb.chat.listed.uploads import read_upload
from ...mitmweb.chat.listed.views import Message
from ...mitmweb.chat.listed.views import request_text as listed_text
from ...mitmweb.chat.transcript import texts_of
from ...mitmweb.chat.turns import Turn, system_turn, turns_of_input, turns_of_messages
from ...openai_api.operations import Operation
from .reply import Wish

# Messages that are shown, the latest ones, and characters of each.
_MOST_MESSAGES = 50
_LONGEST = 4_000
# Tools that are read, and groups of tools within groups.
_MOST_TOOLS = 1_000
_DEEPEST = 5
# Where a tool has the schema of its arguments: chat completions and Responses, and Messages.
_SCHEMAS = ("parameters", "input_schema")


def read_json_wish(operation: Operation | None, body: bytes) -> Wish:
    """Reads a request whose body is JSON."""
    request = json_value(body)
    if not isinstance(request, dict):
        problem = "The request's body is not a JSON object." if body else ""
        return Wish(operation=operation, problem=problem)
    wants_json, schema = _wanted_json(request)
    tools = dict(_tools(request))
    texts = frozenset(name for name, (_, kind) in tools.items() if kind == "custom")
    temperature = request.get("temperature")
    return Wish(
        operation=operation,
        model=request["model"] if isinstance(request.get("model"), str) else None,
        streamed=request.get("stream") is True,
        wants_json=wants_json,
        schema=schema,
        tools={name: schema for name, (schema, _) in tools.items()},
        text_tools=texts,
        greedy=type(temperature) in {int, float} and temperature == 0,
        messages=_latest(list(_messages(operation, body, request))),
    )


def read_upload_wish(operation: Operation | None, body: bytes, content_type: str) -> Wish:
    """Reads a request that is a form with files."""
    upload = read_upload(body, content_type) if operation else None
    if upload is None:
        return Wish(operation=operation, problem="The request is not a form that can be read.")
    return Wish(
        operation=operation,
        model=upload.fields.get("model"),
        streamed=upload.fields.get("stream") == "true",
        messages=_latest([("request", upload.text)]),
    )


def _wanted_json(request: dict[str, Any]) -> tuple[bool, Any]:
    """Whether the answer is to be JSON, and its schema, in the words of each API."""
    for form in (
        request.get("response_format"),
        typed(request.get("text"), dict).get("format"),
        typed(request.get("output_config"), dict).get("format"),
        request.get("output_format"),
    ):
        fields = typed(form, dict)
        if fields.get("type") == "json_object":
            return True, None
        if fields.get("type") == "json_schema":
            # Chat completions have the schema within, the others beside.
            within = typed(fields.get("json_schema"), dict)
            return True, within.get("schema", fields.get("schema"))
    return False, None


def _tools(request: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Each tool's name, the schema of its arguments, and its type."""
    listed = [*typed(request.get("tools"), list), *typed(request.get("functions"), list)]
    yield from _tools_of(listed[:_MOST_TOOLS])


def _tools_of(
    tools: list[Any], group: str = "", depth: int = 0
) -> Iterator[tuple[str, tuple[Any, str]]]:
    for each in tools:
        tool = typed(each, dict)
        name, kind = typed(tool.get("name"), str), typed(tool.get("type"), str)
        inner = tool.get("tools")
        if isinstance(inner, list):
            if depth < _DEEPEST:
                yield from _tools_of(inner, f"{group}{name}." if name else group, depth + 1)
            continue
        # Chat completions have all of a tool within, the others beside its type.
        fields = typed(tool.get(kind), dict) or tool
        name = typed(fields.get("name"), str)
        if name:
            found = (fields[each] for each in _SCHEMAS if fields.get(each) is not None)
            yield f"{group}{name}", (next(found, None), kind)


def _messages(
    operation: Operation | None, body: bytes, request: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    for name in ("system", "instructions"):
        if request.get(name) is not None and request.get("prompt") is None:
            yield _shown(system_turn(request[name], name))
    if request.get("messages") is not None:
        yield from map(_shown, turns_of_messages(request["messages"]))
    elif request.get("input") is not None and operation is Operation.RESPONSES:
        # A turn may grow until the next one is there.
        yield from map(_shown, list(turns_of_input(request["input"])))
    elif operation is Operation.COMPLETIONS:
        prompt = request.get("prompt")
        texts = [prompt] if isinstance(prompt, str) else texts_of("prompt", prompt)
        yield from (("prompt", text) for text in texts)
    elif operation is not None:
        text = listed_text(operation, Message(body, "application/json"))
        if text:
            yield "request", text


def _shown(turn: Turn) -> tuple[str, str]:
    return turn.head, paragraphs(turn.said.texts())


def _latest(messages: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    shown = [(_cut(role), _cut(text)) for role, text in messages[-_MOST_MESSAGES:]]
    earlier = len(messages) - len(shown)
    if earlier:
        shown.insert(0, ("", f"{earlier:,} earlier messages are not shown"))
    return tuple(shown)


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… ({len(text):,} characters in all)"
