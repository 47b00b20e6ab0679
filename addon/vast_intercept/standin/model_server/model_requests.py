"""Reads the requests that vLLM serves into typed values, or raises its refusals."""

import json
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from ..answering import Refusal
from ..mischief.instructions import NONE, Instructions
from ..mischief.script import ScriptPlayer
from . import refusals
from .media import Modality, counted, described, modality_of
from .tokens import count_tokens

# The most answers to one prompt. vLLM's own limit is far higher; this one saves memory.
_MAX_N = 128
_GREEDY = 1e-5

_TEXT_PARTS = {"input_text", "output_text", "refusal", "text", "thinking"}

_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_PLACE = re.compile(r"(?P<what>.*) - at `\$(?P<place>[^`]*)`")


class Message(Struct, frozen=True):
    """One message of a chat."""

    role: str
    content: str | list[str | dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """The text of the message, without its other parts."""
        if isinstance(self.content, list):
            return " ".join(_text_of(part) for part in self.content if not _medium_of(part))
        return self.content or ""

    @property
    def media(self) -> Iterator[str]:
        """What images and audio the message has. Raises Refusal for one that cannot be read."""
        for part in self.content if isinstance(self.content, list) else ():
            if not isinstance(part, str) and _medium_of(part):
                yield described(part)


class Function(Struct, frozen=True):
    """A tool's name, and the schema of its arguments."""

    name: str
    parameters: dict[str, Any] | None = None


class Tool(Struct, frozen=True):
    """A tool that the model may call; as `tool_choice`, the name of the one to call."""

    function: Function


class JsonSchema(Struct, frozen=True):
    """The schema that an answer has to follow."""

    schema: dict[str, Any] = {}


class ResponseFormat(Struct, frozen=True):
    """Whether an answer is to be JSON."""

    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(Struct, frozen=True):
    """What a stream contains besides the answer."""

    include_usage: bool | None = None


class AnyRequest(Struct, frozen=True, kw_only=True):
    """The fields that every request has, whatever it asks for."""

    model: str | None = None
    instructions: Instructions | None = field(default=None, name="standin")

    @property
    def told(self) -> Instructions:
        """The instructions to the stand-in, which may be empty."""
        return self.instructions or NONE

    def check_model(self, served: str) -> None:
        """Raises Refusal for another model. Without one, vLLM serves the one that it has."""
        if self.model and self.model != served:
            raise refusals.unknown_model(self.model, served)


class ModelRequest(AnyRequest, frozen=True, kw_only=True):
    """The fields that chats and completions have."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None

    @property
    def count(self) -> int:
        """The number of answers to each prompt."""
        return self.n or 1

    @property
    def usage_wanted(self) -> bool:
        """Whether a stream ends with its usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def stops(self) -> list[str]:
        """The texts that end the answer."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def limit(self) -> int | None:
        """The most tokens that an answer may have."""
        return self.max_tokens

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of the request."""
        raise NotImplementedError

    def check(self, model: str, context: int) -> None:
        """Raises Refusal if a vLLM with this model and context (in tokens) refuses the request."""
        self.check_model(model)
        if self.limit is not None and self.limit > context:
            raise refusals.max_tokens_too_large(self.limit, context)
        if self.limit is not None and self.limit < 1:
            message = f"max_tokens must be at least 1, got {self.limit}."
            raise refusals.bad_parameter(message, "max_tokens", self.limit)
        if self.temperature is not None and self.temperature < 0:
            message = f"temperature must be non-negative, got {self.temperature}."
            raise refusals.bad_parameter(message, "temperature", self.temperature)
        if self.n is not None and not 1 <= self.n <= _MAX_N:
            raise refusals.bad_request(f"n must be at least 1 and at most {_MAX_N}, got {self.n}.")
        if self.count > 1 and self.temperature is not None and self.temperature < _GREEDY:
            raise refusals.bad_request(f"n must be 1 when using greedy sampling, got {self.n}.")
        if self.prompt_tokens > context:
            raise refusals.prompt_too_long(context)


class ChatRequest(ModelRequest, frozen=True, kw_only=True):
    """`POST chat/completions`."""

    messages: list[Message]
    max_completion_tokens: int | None = None
    tools: list[Tool] | None = None
    tool_choice: str | Tool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None

    def scripted(self, player: ScriptPlayer) -> "ChatRequest":
        """This request, with the instructions that the script has for it.

        Its own instructions come first. A request that offers no tools (as for the title of a
        conversation) does not take part in a turn that calls tools.
        """
        if self.instructions:
            return self
        told = player.next(self.messages[-1].text if self.messages else "", self.answered)
        callable_tools = self.tools and self.tool_choice != "none"
        if told is None or (told.tool_calls and not callable_tools):
            return self
        return structs.replace(self, instructions=told)

    @property
    def answered(self) -> int:
        """How often the model has answered in this conversation, with text or tool calls.

        Assistant messages in a row are one answer: some apps send its parts as several.
        """
        roles = [message.role for message in self.messages]
        return sum(role == "assistant" for role, _ in groupby(roles))

    @property
    def limit(self) -> int | None:
        """The most tokens that an answer may have. The new name of the field comes first."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of all messages."""
        return sum(count_tokens(message.text) for message in self.messages)

    @property
    def media(self) -> str:
        """What an answer says of the images and audio that came. Raises Refusal."""
        return counted(each for message in self.messages for each in message.media)

    def check_parts(self, model: str, modalities: AbstractSet[Modality]) -> None:
        """Raises Refusal for content that is neither text nor what the model takes besides.

        What it does take has to be readable.
        """
        for message in self.messages:
            for part in message.content if isinstance(message.content, list) else ():
                _check_part(part, model, modalities)
            for _ in message.media:
                pass

    def check(self, model: str, context: int) -> None:
        """Raises Refusal, also for tools that there are not."""
        super().check(model, context)
        if isinstance(self.tool_choice, Tool):
            named = self.tool_choice.function.name
            if not any(tool.function.name == named for tool in self.tools or ()):
                raise refusals.bad_request(
                    "`tool_choice` names none of the `tools`.", "tool_choice"
                )
        elif self.tool_choice == "required" and not self.tools:
            raise refusals.bad_request("`tool_choice` needs `tools`.", "tool_choice")


class CompletionRequest(ModelRequest, frozen=True, kw_only=True):
    """`POST completions`."""

    prompt: str | list[Any] | None = None
    echo: bool | None = None
    suffix: str | None = None

    @property
    def limit(self) -> int | None:
        """The most tokens that an answer may have: 16 unless the request says otherwise."""
        if self.max_tokens is None and self.instructions is None:
            return 16
        return self.max_tokens

    @property
    def prompts(self) -> list[str]:
        """The prompts as texts. A prompt of tokens is written as their numbers: `<17>`."""
        match self.prompt:
            case str(text):
                return [text]
            case [int(), *_] as tokens:
                return [_written(tokens)]
            case list(prompts):
                return [_written(each) if isinstance(each, list) else str(each) for each in prompts]
        return []

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of all prompts."""
        return sum(map(count_tokens, self.prompts))

    def check(self, model: str, context: int) -> None:
        """Raises Refusal, also for a `suffix`: vLLM refuses even an empty one."""
        super().check(model, context)
        if self.suffix is not None:
            message = "suffix is only supported for models with FIM completion rendering"
            raise refusals.bad_request(message, "suffix")
        if not self.prompts:
            raise refusals.bad_request(
                "Either prompt or prompt_embeds must be provided and non-empty.", "prompt"
            )


def read_request[Kind: AnyRequest](kind: type[Kind], body: bytes) -> Kind:
    """Reads the body of a request of that kind. Raises Refusal."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), body) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _malformed(body) from None


def _malformed(body: bytes) -> Refusal:
    """The refusal of a body that is not JSON, with the words of Python's `json`, as vLLM has it."""
    if not body:
        return refusals.invalid("missing", "body", "Field required", "None")
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        place, given = f"body.{error.pos}", "<dict of 0 items>"
        told = {"error": error.msg}
        return refusals.invalid("json_invalid", place, "JSON decode error", given, told)
    except (ValueError, RecursionError):
        pass
    return refusals.unreadable()


def _invalid(message: str, body: bytes) -> Refusal:
    located = _PLACE.fullmatch(message)
    what, place = located.group("what", "place") if located else (message, "")
    place = "body" + re.sub(r"\[(\d+)\]", r".\1", place)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return _malformed(body)
    given = f"<{type(value).__name__} of {len(value)} items>" if hasattr(value, "__len__") else ""
    if missing := _MISSING.fullmatch(what):
        return refusals.invalid("missing", f"{place}.{missing['name']}", "Field required", given)
    return refusals.invalid("value_error", place, what, given)


def _text_of(part: str | dict[str, Any]) -> str:
    return part if isinstance(part, str) else str(part.get("text", part.get("refusal", "")))


def _medium_of(part: str | dict[str, Any]) -> Modality | None:
    return None if isinstance(part, str) else modality_of(str(part.get("type")))


def _check_part(part: str | dict[str, Any], model: str, modalities: AbstractSet[Modality]) -> None:
    kind = "text" if isinstance(part, str) else str(part.get("type", "text"))
    modality = _medium_of(part)
    if modality and not modalities:
        raise refusals.not_multimodal(model)
    if modality and modality not in modalities:
        raise refusals.too_many_parts(modality)
    if not modality and kind not in _TEXT_PARTS:
        raise refusals.unknown_part(kind)


def _written(tokens: list[Any]) -> str:
    return " ".join(f"<{token}>" for token in tokens)
