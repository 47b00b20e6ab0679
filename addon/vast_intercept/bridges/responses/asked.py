"""What a Responses request leaves for its answer to know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

# Words of `include` that have an effect.
LOGPROBS = "message.output_text.logprobs"
ENCRYPTED_REASONING = "reasoning.encrypted_content"


@dataclass(frozen=True, slots=True)
class ToolOrigin:
    """The tool that a function of the chat completion stands for, as the app named it."""

    kind: Literal["function", "custom"]
    name: str
    #: The group that the tool was offered in, if any.
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was read and found good, as far as its answer depends on it."""

    store: bool
    #: The response that the app continues.
    previous: str | None
    #: The input of this turn alone: a JSON array of items, each with an id.
    items: bytes
    #: The fields that OpenAI's answer repeats, by name, as JSON, defaults included.
    echoed: Mapping[str, msgspec.Raw]
    #: By the name of the function in the chat completion.
    tools: Mapping[str, ToolOrigin]
    #: Such as `ENCRYPTED_REASONING`.
    include: frozenset[str]
    #: Whether the app asked for a summary of the reasoning, of whatever kind.
    summary: bool
