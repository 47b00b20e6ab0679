"""What a request may ask of the stand-in, in the field `standin` of its body.

vLLM ignores fields that it does not know, and so does everything between an app and vLLM. A test
can therefore steer the far end through any number of proxies.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

type Fault = Literal[
    "big_event",  # a stream with one event of 10 MB
    "compressed",  # an answer in gzip, although the client did not ask for it
    "cut",  # the connection ends in the middle of the answer
    "cut_behind_done",  # a stream's connection ends behind [DONE], where HTTP has more to say
    "cut_mid_event",  # a stream's connection ends in the middle of an event
    "drop",  # the connection ends without a byte of an answer
    "empty",  # 500 with no body
    "end_early",  # a stream ends well, as HTTP goes, but without a finish_reason and [DONE]
    "engine_dead",  # a stream in which vLLM says that its engine died
    "garbage",  # an answer that is not HTTP
    "hang",  # no answer at all
    "html",  # 502 with a web page
    "linger",  # a stream that has sent [DONE] stays open
    "no_done",  # a stream ends well, as HTTP goes, with a finish_reason but without [DONE]
    "not_json",  # 200 and application/json, but not JSON
    "redirect",  # 302 to somewhere else
    "split",  # a stream in pieces of 7 bytes, which end anywhere
    "stall",  # a stream that falls silent, with the connection open
    "wrong_length",  # a content-length smaller than the body
    "wrong_type",  # 200 with a web page
]

# These are done to a stream: a whole answer has no chunks for them.
STREAM_FAULTS: frozenset[Fault] = frozenset(
    (
        *("big_event", "cut_behind_done", "cut_mid_event", "end_early", "engine_dead", "linger"),
        *("no_done", "split", "stall"),
    )
)

# These are done to the events of a stream: a stream of bytes has none.
EVENT_FAULTS: frozenset[Fault] = frozenset(
    ("big_event", "cut_behind_done", "cut_mid_event", "engine_dead", "no_done")
)

type Seconds = Annotated[float, Meta(ge=0)]
type Status = Annotated[int, Meta(ge=200, le=599)]


class ScriptedCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool call that the model is told to make."""

    name: str
    """The tool's name, or a pattern such as `*shell*`, which the first matching tool is called by.

    A name without `*`, `?` and `[` is used as it stands, even if the request offers no such tool.
    """
    arguments: dict[str, Any] | str = {}
    """The arguments. A string is sent as it stands, whether or not it is JSON."""


class Instructions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The instructions, all optional. Without any, the stand-in answers as vLLM does."""

    text: str | None = None
    """The text to answer."""
    chunks: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    """Answer so many tokens: "w0 ", "w1 ", ..."""
    reasoning: str | None = None
    """The model's reasoning, which comes before the text and the tool calls."""
    reasoning_field: Literal["reasoning", "reasoning_content"] = "reasoning"
    """The field with the reasoning: newer vLLM has `reasoning`, older `reasoning_content`."""
    tool_calls: Annotated[int, Meta(ge=0, le=100)] | list[ScriptedCall] | None = None
    """How many of the tools to call, or which. Without it one, or none where a text is given."""
    finish_reason: str | None = None
    """Why the answer ends, whatever is in it, such as `content_filter`."""

    first_delay: Seconds = 0
    """Wait before the head of the answer."""
    delay: Seconds = 0
    """Wait between the chunks of a stream; between head and body of another answer."""
    end_delay: Seconds = 0
    """Wait before [DONE], and between [DONE] and the end of a stream."""
    gate: str | None = None
    """Send chunk k (or, not streaming, the body) only once this gate has been opened k times."""

    fault: Fault | None = None
    """What goes wrong."""
    after: Annotated[int, Meta(ge=0)] = 3
    """How many chunks of a stream come before the fault."""

    status: Status | None = None
    """Answer just this, with `body` and `headers`."""
    body: str = ""
    headers: dict[str, str] = {}


NONE = Instructions()
