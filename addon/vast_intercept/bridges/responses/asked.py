"""What a Responses request leaves for its answer to know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec


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

    stream: bool
    store: bool
    #: The response that the app continues.
    previous: str | None
    #: The input of this turn alone: a JSON array of items, each with an id.
    items: bytes
    #: The fields that OpenAI's answer repeats, by name, as JSON, defaults included.
    echoed: Mapping[str, msgspec.Raw]
    #: By the name of the function in the chat completion.
    tools: Mapping[str, ToolOrigin]
    #: Such as "reasoning.encrypted_content".
    include: frozenset[str]
