"""Makes functions of a chat completion out of the tools of a Responses request."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

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
    split_objects,
)
from .asked import ToolOrigin

#: Tools of one call, those that earlier turns offered included, as often as they did.
MAX_TOOLS = 4_000

# Objects of all tools together, those of their schemas included.
_MAX_OBJECTS = 100_000

# Tools that OpenAI runs, or whose calls have a form of their own. Some names end with a date.
_BUILTIN = re.compile(
    r"(?:web_search|web_search_preview|file_search|code_interpreter|image_generation|mcp|shell"
    r"|computer|computer_use|computer_use_preview|local_shell|apply_patch|tool_search"
    r"|programmatic_tool_calling)(?:_\d{4}_\d{2}_\d{2})?"
)
_TYPES = ("function", "custom", "namespace", "web_search", "file_search", "mcp")

# https://platform.openai.com/docs/api-reference/chat/create, `tools`
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_OTHER_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_CHAT_NAME, _LONGEST_NAME = 64, 128
# Characters of names in calls of earlier turns, which may be made up, that tell them apart.
_LONGEST_LOOKED_AT = 256

# Codex groups its own tools under this name, and calls them without it (FACTS R6).
_DEFAULT_NAMESPACE = "functions"

_LONGEST_GROUP_DESCRIPTION = 300  # characters: it is repeated for each tool of the group

_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
_TEXT_INPUT = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string","description":"The input of the'
    b' tool, as free-form text."}},"required":["input"],"additionalProperties":false}'
)


class Tool(msgspec.Struct):
    """A tool as an app offers it, as far as it is read. `tools` are those of a namespace."""

    type: str | None = None
    name: str | None = None
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None
    format: msgspec.Raw = NULL
    tools: msgspec.Raw = NULL


class _Format(msgspec.Struct):
    type: str = "text"
    syntax: str = ""
    definition: str = ""


class Function(msgspec.Struct, omit_defaults=True):
    """A function of a chat completion."""

    name: str
    parameters: msgspec.Raw
    description: str | None = None
    strict: bool | None = None


class _Echoed(msgspec.Struct):
    """A function as OpenAI's response repeats it."""

    name: str
    description: str | None
    parameters: msgspec.Raw
    strict: bool
    type: str = "function"


_tool = msgspec.json.Decoder(Tool)
_format = msgspec.json.Decoder(_Format | None)


@dataclass(slots=True)
class Tools:
    """The tools of one call, gathered from its fields and its input.

    A tool that is offered twice counts as it was offered last.
    """

    reject_builtin: bool
    functions: dict[str, Function] = field(default_factory=dict)
    origins: dict[str, ToolOrigin] = field(default_factory=dict)
    #: Types of built-in tools, by the places where they were offered first.
    builtin: dict[str, str] = field(default_factory=dict)
    _names: dict[tuple[str | None, str], str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    #: The groups in which a tool of that name is offered.
    _groups: dict[str, set[str | None]] = field(default_factory=dict)
    _read: int = 0

    def add(self, tools: msgspec.Raw, place: str) -> list[msgspec.Raw]:
        """Takes a list of tools. Returns it as OpenAI's response repeats it.

        Raises ApiError (400).
        """
        if is_null(tools):
            return []
        raws = _split(tools, place)
        return [self._add(raw, f"{place}[{index}]") for index, raw in enumerate(raws)]

    def _add(self, raw: msgspec.Raw, place: str) -> msgspec.Raw:
        tool = self._decoded(raw, place)
        if tool.type in {"function", "custom"}:
            self._offer(tool, None, "", place)
            return raw if tool.type == "custom" else _echoed(tool)
        if tool.type == "namespace":
            self._add_group(tool, place)
        elif tool.type is None:
            raise missing(f"{place}.type")
        elif not is_builtin(tool.type):
            raise invalid_value(f"{place}.type", tool.type, _TYPES)
        elif self.reject_builtin:
            raise not_served(
                f"The tool {tool.type!r} is run by OpenAI, and Vast has no such thing"
                " (responses.builtin_tools: reject).",
                f"{place}.type",
            )
        else:
            self.builtin.setdefault(tool.type, f"{place}.type")
        return raw

    def _decoded(self, raw: msgspec.Raw, place: str) -> Tool:
        self._read += 1
        if self._read > MAX_TOOLS:
            raise _too_many(f"{MAX_TOOLS:,} tools", place)
        return decode(_tool, raw, place)

    def _add_group(self, group: Tool, place: str) -> None:
        if not group.name:
            raise missing(f"{place}.name")
        if is_null(group.tools):
            raise missing(f"{place}.tools")
        about = (group.description or "")[:_LONGEST_GROUP_DESCRIPTION]
        namespace = None if group.name == _DEFAULT_NAMESPACE else group.name
        raws = _split(group.tools, f"{place}.tools")
        for index, raw in enumerate(raws):
            at = f"{place}.tools[{index}]"
            tool = self._decoded(raw, at)
            if tool.type not in {"function", "custom"}:
                raise invalid_value(f"{at}.type", tool.type or "", ("function", "custom"))
            self._offer(tool, namespace, about, at)

    def _offer(self, tool: Tool, namespace: str | None, about: str, place: str) -> None:
        name = tool.name or ""
        if not name:
            raise missing(f"{place}.name")
        if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
            raise bad_request(
                f"Invalid '{place}.name': expected a text of at most {_LONGEST_NAME} letters,"
                " digits, underscores and hyphens (the pattern '^[a-zA-Z0-9_-]+$').",
                ErrorCode.INVALID_VALUE,
                f"{place}.name",
            )
        self._groups.setdefault(name, set()).add(namespace)
        chat_name = self._name(namespace, name)
        texts = [text for text in (about, tool.description) if text]
        if tool.type == "custom":
            texts += _grammar(tool.format, f"{place}.format")
            function = Function(chat_name, _TEXT_INPUT, "\n\n".join(texts) or None)
            self.origins[chat_name] = ToolOrigin("custom", name, namespace)
        else:
            parameters = _object_or_null(tool.parameters, f"{place}.parameters")
            description = "\n\n".join(texts) or None
            function = Function(chat_name, parameters, description, tool.strict)
            self.origins[chat_name] = ToolOrigin("function", name, namespace)
        self.functions[chat_name] = function

    def name(self, namespace: str | None, name: str) -> str:
        """The name in the chat completion of a tool that an app names.

        A tool without a namespace may be that of a group, if only one group has it.
        """
        if namespace == _DEFAULT_NAMESPACE:
            namespace = None
        if namespace is None and (None, name) not in self._names:
            groups = self._groups.get(name, ())
            if len(groups) == 1:
                (namespace,) = groups
        return self._name(namespace, name)

    def _name(self, namespace: str | None, name: str) -> str:
        """Gives each tool a name of its own, whatever it is named after."""
        name = name[:_LONGEST_LOOKED_AT]
        namespace = namespace and namespace[:_LONGEST_LOOKED_AT]
        key = namespace, name
        if made := self._names.get(key):
            return made
        wanted = name if namespace is None else f"{namespace.removesuffix('__')}__{name}"
        made = _OTHER_CHARACTERS.sub("_", wanted) or "_"
        if len(made) > _LONGEST_CHAT_NAME or made in self._taken:
            digest = hashlib.sha256(repr(key).encode(errors="replace")).hexdigest()[:12]
            made = f"{made[: _LONGEST_CHAT_NAME - 13]}_{digest}"
        self._names[key] = made
        self._taken.add(made)
        return made

    def find(self, name: str, namespace: str | None = None) -> str | None:
        """The function for a tool that is offered under that name, or None."""
        found = self.name(namespace, name)
        return found if found in self.functions else None

    def left_out(self) -> Iterator[str]:
        """What the model does not get."""
        return (f"tool {kind}" for kind in self.builtin)


def _split(tools: msgspec.Raw, place: str) -> list[msgspec.Raw]:
    if bytes(tools).count(b"{") > _MAX_OBJECTS:
        raise _too_many(f"{_MAX_OBJECTS:,} objects in its tools", place)
    return split_objects(tools, place)


def _too_many(what: str, place: str) -> ApiError:
    return bad_request(
        f"The request has more than {what}.",
        ErrorCode.REQUEST_TOO_COMPLEX,
        place.partition("[")[0],
    )


def is_builtin(kind: str) -> bool:
    """Whether a type of tool is one that OpenAI runs, or whose calls are not those of functions."""
    return _BUILTIN.fullmatch(kind) is not None


def _echoed(tool: Tool) -> msgspec.Raw:
    echoed = _Echoed(tool.name or "", tool.description, tool.parameters, tool.strict is not False)
    return msgspec.Raw(msgspec.json.encode(echoed))


def _object_or_null(value: msgspec.Raw, place: str) -> msgspec.Raw:
    if is_null(value):
        return _NO_PARAMETERS
    if first_byte(value) != b"{":
        raise invalid_type(place, "expected an object (a JSON schema)")
    return value


def _grammar(value: msgspec.Raw, place: str) -> list[str]:
    """What the description of a custom tool says about its input."""
    form = decode(_format, value, place)
    if form is None or form.type == "text":
        return []
    if form.type != "grammar":
        raise invalid_value(f"{place}.type", form.type, ("text", "grammar"))
    if not form.definition:
        raise missing(f"{place}.definition")
    syntax = {"lark": "Lark", "regex": "regular expression"}.get(form.syntax)
    if syntax is None:
        raise invalid_value(f"{place}.syntax", form.syntax, ("lark", "regex"))
    return [f"The input must match this grammar ({syntax} syntax):\n{form.definition}"]
