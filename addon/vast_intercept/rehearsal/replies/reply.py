"""What an answer says, and what its request asked for, whichever API the app speaks."""

from dataclasses import dataclass, field
from typing import Any

from ...openai_api.operations import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that the model chose."""

    name: str
    #: As the model wrote them: JSON, or at least it should be.
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyError:
    """An error instead of an answer, or at the end of a stream."""

    status: int
    code: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, whole or streamed, put together. What it does not say is None or empty."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    #: What the model itself says instead of an answer, where the API has a place for it.
    refusal: str = ""
    #: In the words of chat completions: stop, length, tool_calls, content_filter.
    finish_reason: str | None = None
    model: str | None = None
    #: All tokens of the prompt. Those below are among them: read from the provider's cache, and
    #: written to it (Anthropic states both beside its `input_tokens`, and OpenAI within them).
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    completion_tokens: int | None = None
    #: What an answer that is no text holds, in words, such as `2 embeddings of 1,536 numbers`.
    #: Two answers with other words here are of another form.
    form: str = ""
    #: Whether the answer came to its end.
    complete: bool = True
    error: ReplyError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a request asks for, as far as an app depends on it."""

    operation: Operation | None
    model: str | None = None
    streamed: bool = False
    #: Whether the answer is to be JSON, and of which schema, if one is given.
    wants_json: bool = False
    schema: Any = None
    #: The schema of each tool's arguments, by the tool's name; None for a tool without one.
    tools: dict[str, Any] = field(default_factory=dict)
    #: Tools that get any text, and no JSON (OpenAI's custom tools).
    text_tools: frozenset[str] = frozenset()
    #: Whether the request wants the likeliest answer: a temperature of 0.
    greedy: bool = False
    #: The conversation in short, for a person: role and text of each message, the latest last.
    messages: tuple[tuple[str, str], ...] = ()
    #: Why the request cannot be read, or nothing.
    problem: str = ""
