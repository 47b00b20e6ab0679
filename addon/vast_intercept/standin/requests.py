"""The requests that vLLM serves: bytes in; typed, checked requests out, or its refusal."""

import json
import re
from typing import Any

import msgspec
from msgspec import Struct, field

from . import errors
from .instructions import NONE, Instructions
from .text import count_tokens

# The most answers to one prompt. vLLM's own limit is far higher; this one keeps the stand-in small.
_MAX_N = 128
_GREEDY = 1e-5

_TEXT_PARTS = {"input_text", "output_text", "refusal", "text", "thinking"}
_MEDIA_PARTS = {
    *("audio_embeds", "audio_url", "image_embeds", "image_pil", "image_url", "input_audio"),
    *("input_image", "video_embeds", "video_url"),
}

_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_PLACE = re.compile(r"(?P<what>.*) - at `\$(?P<place>[^`]*)`")


class Message(Struct, frozen=True):
    """One message of a chat."""

    role: str
    content: str | list[str | dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """Its text, without what is not text."""
        if isinstance(self.content, list):
            return " ".join(
                part if isinstance(part, str) else str(part.get("text", part.get("refusal", "")))
                for part in self.content
            )
        return self.content or ""


class Function(Struct, frozen=True):
    """What a tool is called, and the schema of its arguments."""

    name: str
    parameters: dict[str, Any] | None = None


class Tool(Struct, frozen=True):
    """A tool that the model may call."""

    function: Function


class NamedTool(Struct, frozen=True):
    """A `tool_choice` that names the tool to call."""

    function: Function


class JsonSchema(Struct, frozen=True):
    """The schema that an answer has to follow."""

    schema: dict[str, Any] = {}


class ResponseFormat(Struct, frozen=True):
    """Whether an answer is to be JSON."""

    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(Struct, frozen=True):
    """What a stream brings besides the answer."""

    include_usage: bool | None = None


class Request(Struct, frozen=True, kw_only=True):
    """What both kinds of requests have."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    instructions: Instructions | None = field(default=None, name="standin")

    @property
    def told(self) -> Instructions:
        """What the stand-in is told to do, which may be nothing."""
        return self.instructions or NONE

    @property
    def count(self) -> int:
        """How many answers each prompt gets."""
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
        """How many tokens came in."""
        raise NotImplementedError

    def check(self, model: str, context: int) -> None:
        """Raises Refusal for what a vLLM with this model and this context does not do."""
        if self.model and self.model != model:
            raise errors.unknown_model(self.model, model)
        if self.limit is not None and self.limit > context:
            raise errors.max_tokens_too_large(self.limit, context)
        if self.limit is not None and self.limit < 1:
            message = f"max_tokens must be at least 1, got {self.limit}."
            raise errors.bad_parameter(message, "max_tokens", self.limit)
        if self.temperature is not None and self.temperature < 0:
            message = f"temperature must be non-negative, got {self.temperature}."
            raise errors.bad_parameter(message, "temperature", self.temperature)
        if self.n is not None and not 1 <= self.n <= _MAX_N:
            raise errors.bad_request(f"n must be at least 1 and at most {_MAX_N}, got {self.n}.")
        if self.count > 1 and self.temperature is not None and self.temperature < _GREEDY:
            raise errors.bad_request(f"n must be 1 when using greedy sampling, got {self.n}.")
        if self.prompt_tokens > context:
            raise errors.prompt_too_long(context)


class Chat(Request, frozen=True, kw_only=True):
    """`POST chat/completions`."""

    messages: list[Message]
    max_completion_tokens: int | None = None
    tools: list[Tool] | None = None
    tool_choice: str | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None

    @property
    def limit(self) -> int | None:
        """The most tokens that an answer may have, by its new name or its old one."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the messages have."""
        return sum(count_tokens(message.text) for message in self.messages)

    def check(self, model: str, context: int) -> None:
        """Raises Refusal, for content that is not text as well."""
        super().check(model, context)
        for message in self.messages:
            for part in message.content if isinstance(message.content, list) else ():
                _check_part(part, model)
        if isinstance(self.tool_choice, NamedTool):
            named = self.tool_choice.function.name
            if not any(tool.function.name == named for tool in self.tools or ()):
                raise errors.bad_request("`tool_choice` names none of the `tools`.", "tool_choice")
        elif self.tool_choice == "required" and not self.tools:
            raise errors.bad_request("`tool_choice` needs `tools`.", "tool_choice")


class Completion(Request, frozen=True, kw_only=True):
    """`POST completions`."""

    prompt: str | list[Any] | None = None
    echo: bool | None = None
    suffix: str | None = None

    @property
    def limit(self) -> int | None:
        """The most tokens that an answer may have: 16 where nobody says more."""
        if self.max_tokens is None and self.instructions is None:
            return 16
        return self.max_tokens

    @property
    def prompts(self) -> list[str]:
        """The prompts. A token without its text is written as its number: `<17>`."""
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
        """How many tokens all prompts have."""
        return sum(map(count_tokens, self.prompts))

    def check(self, model: str, context: int) -> None:
        """Raises Refusal, for a `suffix` as well: vLLM refuses even an empty one."""
        super().check(model, context)
        if self.suffix is not None:
            message = "suffix is only supported for models with FIM completion rendering"
            raise errors.bad_request(message, "suffix")
        if not self.prompts:
            raise errors.bad_request(
                "Either prompt or prompt_embeds must be provided and non-empty.", "prompt"
            )


_CHAT = msgspec.json.Decoder(Chat)
_COMPLETION = msgspec.json.Decoder(Completion)


def read_chat(body: bytes) -> Chat:
    """The body of `chat/completions`. Raises Refusal."""
    return _read(_CHAT, body)


def read_completion(body: bytes) -> Completion:
    """The body of `completions`. Raises Refusal."""
    return _read(_COMPLETION, body)


def _read[T](decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), body) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _malformed(body) from None


def _malformed(body: bytes) -> errors.Refusal:
    """vLLM reads with Python's `json` and quotes it, so this does too."""
    if not body:
        return errors.invalid("missing", "body", "Field required", "None")
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        return errors.invalid(
            "json_invalid",
            f"body.{error.pos}",
            "JSON decode error",
            "<dict of 0 items>",
            {"error": error.msg},
        )
    except (ValueError, RecursionError):
        pass
    return errors.unreadable()


def _invalid(message: str, body: bytes) -> errors.Refusal:
    located = _PLACE.fullmatch(message)
    what, place = located.group("what", "place") if located else (message, "")
    place = "body" + re.sub(r"\[(\d+)\]", r".\1", place)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return _malformed(body)
    given = f"<{type(value).__name__} of {len(value)} items>" if hasattr(value, "__len__") else ""
    if missing := _MISSING.fullmatch(what):
        return errors.invalid("missing", f"{place}.{missing['name']}", "Field required", given)
    return errors.invalid("value_error", place, what, given)


def _check_part(part: str | dict[str, Any], model: str) -> None:
    kind = "text" if isinstance(part, str) else str(part.get("type", "text"))
    if kind in _MEDIA_PARTS:
        raise errors.not_multimodal(model)
    if kind not in _TEXT_PARTS:
        raise errors.unknown_part(kind)


def _written(tokens: list[Any]) -> str:
    return " ".join(f"<{token}>" for token in tokens)
