"""The items and content parts of a response's output, with the fields that OpenAI's have."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ..chat_answers import TokenLogprob

type Status = Literal["in_progress", "completed", "incomplete"]


class OutputText(msgspec.Struct, tag="output_text"):
    """Text of a message."""

    text: str = ""
    annotations: tuple[()] = ()
    logprobs: list[TokenLogprob] = []


class Refusal(msgspec.Struct, tag="refusal"):
    """What the model says where it refuses to answer."""

    refusal: str = ""


class ReasoningText(msgspec.Struct, tag="reasoning_text"):
    """Reasoning as the model gave it."""

    text: str = ""


class SummaryText(msgspec.Struct, tag="summary_text"):
    """Reasoning in the place of its summary."""

    text: str = ""


class Message(msgspec.Struct, tag="message", kw_only=True):
    """What the model says to the user."""

    id: str
    status: Status = "in_progress"
    role: Literal["assistant"] = "assistant"
    content: list[OutputText | Refusal] = []


class Reasoning(msgspec.Struct, tag="reasoning", kw_only=True):
    """What the model thought. OpenAI's has no `content`, since its reasoning is secret."""

    id: str
    summary: list[SummaryText] = []
    content: list[ReasoningText] | UnsetType = UNSET
    encrypted_content: str | UnsetType = UNSET


class _Call(msgspec.Struct, kw_only=True):
    id: str
    status: Status = "in_progress"
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET


class FunctionCall(_Call, tag="function_call", kw_only=True):
    """The call of a function of the app's."""

    arguments: str = ""


class CustomToolCall(_Call, tag="custom_tool_call", kw_only=True):
    """The call of a tool of the app's that takes a text."""

    input: str = ""


type Item = Message | Reasoning | FunctionCall | CustomToolCall
