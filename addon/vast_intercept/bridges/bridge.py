"""What a bridge is: one call of another API, carried by a chat completion."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ..openai_api.errors import ApiError
from ..openai_api.media_parts import MediaName
from ..openai_api.outline import Buffer


class AppEvents(Protocol):
    """Turns the events of a chat completion's stream into those that the app gets.

    Each answer has one of its own, which keeps the state of the stream.
    """

    #: What is to be kept of the answer, once it is complete.
    record: "Record | None"
    #: Why what the app was given is no answer, although the chat stream may look complete.
    failure: ApiError | None

    def feed(self, events: bytes) -> bytes:
        """Takes the next bytes of the chat stream, and returns what leaves for the app at once.

        The bytes are whole events, except those of an event that is very long. A bridge drops
        `[DONE]` and events that report an error: `end` has what comes in their place. Raises
        ApiError (502) for what it cannot convert; `end` and `fail` may still be called.
        """
        ...

    def end(self, error: ApiError | None = None) -> bytes:
        """Returns what is still due once all of the chat stream was fed, with `[DONE]` or without.

        `error` is what the stream itself reported, if it did.
        """
        ...

    def fail(self, error: ApiError) -> bytes:
        """Returns the events that end the stream with an error of ours, wherever it is."""
        ...

    def keep_alive(self) -> bytes:
        """Returns what keeps a waiting stream alive, which may be before the first `feed`."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """An answer that the app may come back to: a response that is stored.

    `items` and `response` are JSON. `previous` is the id of the response that this one continues.
    """

    id: str
    previous: str | None
    #: The input of this turn alone, as a JSON array of items, each with an id.
    items: bytes
    #: The whole answer, as the app got it.
    response: bytes


@dataclass(frozen=True, slots=True)
class BridgedAnswer:
    """A whole answer in the app's API, and what is to be kept of it."""

    body: bytes
    record: Record | None = None


class BuiltinTools(StrEnum):
    """What happens to tools that a provider itself would run, such as `web_search`."""

    LEAVE_OUT = "leave_out"
    REJECT = "reject"


class Bridge(Protocol):
    """A call of another API whose request has been read and found good."""

    @property
    def chat(self) -> bytes:
        """The body of the chat completion that takes the request's place."""
        ...

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the app asked for that the model does not get, such as built-in tools, by name."""
        ...

    @property
    def media(self) -> tuple[MediaName, ...] | None:
        """The images and audio of `chat`, in order, as the app named them.

        None if they have the same places in the app's own request.
        """
        ...

    def answer(self, body: Buffer) -> BridgedAnswer:
        """The app's answer, from a whole chat completion.

        Raises ApiError (502) for what is not one.
        """
        ...

    def events(self) -> AppEvents:
        """The app's stream, about to begin."""
        ...
