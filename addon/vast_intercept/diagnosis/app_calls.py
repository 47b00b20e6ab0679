"""Steps: one whole and one streamed call, as an app makes them with `requests`."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import requests

from ..openai_api.sse import DONE, EventParser
from .calling import LOOK, MAX_TOKENS, PROMPT, Ask, Error, answer_to, broken_off, check_is_stream
from .findings import Finding, Problem, one_line
from .subject import Subject
from .target import chat_model

_BY_PROVIDER = (
    "That is the provider itself, to which the route falls back: the endpoints before it did not"
    " answer."
)


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)


class Completion(msgspec.Struct):
    """A chat completion, as far as a check looks at it."""

    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    model: str = ""

    @property
    def text(self) -> str:
        """The text of the answer; empty if it has none."""
        return self.choices[0].message.content or ""


class _ChunkChoice(msgspec.Struct):
    delta: dict[str, Any] = {}


class _Chunk(msgspec.Struct):
    choices: list[_ChunkChoice] = []
    error: Error | None = None


def whole_call(subject: Subject) -> Finding:
    """Makes a call that is answered in one piece. Raises Problem."""
    with answer_to(subject, _ask(subject, stream=False)) as (answer, pieces):
        completion = read_completion(answer, pieces)
        attempts = answer.headers.get("x-vast-attempts")
        if attempts is None:
            raise Problem(
                f"{answer.url} answered, but not through the interceptor",
                "Something else answers for the provider: is there another proxy in between?",
            )
        endpoint = answer.headers.get("x-vast-endpoint", "Vast")
        tries = "" if attempts == "1" else f" at attempt {one_line(attempts)}"
        model = one_line(completion.model)
        by_provider = any(endpoint == provider.name for provider in subject.config.providers)
        return Finding(
            f"answered by {one_line(endpoint)} with model {model}{tries}",
            advice=_BY_PROVIDER if by_provider else "",
        )


def read_completion(answer: requests.Response, pieces: Iterator[bytes]) -> Completion:
    """The chat completion of a whole answer. Raises Problem."""
    try:
        return msgspec.json.decode(b"".join(pieces), type=Completion)
    except ValueError as error:
        raise Problem(
            f"the answer is not a chat completion: {error}", f"It came from {answer.url}."
        ) from None


def streamed_call(subject: Subject) -> Finding:
    """Makes a call that is answered token by token. Raises Problem."""
    started = time.monotonic()
    with answer_to(subject, _ask(subject, stream=True)) as (answer, pieces):
        check_is_stream(answer)
        first = 0.0
        chunks = 0
        parser = EventParser()
        for event in (event for piece in pieces for event in parser.feed(piece)):
            if event.data.startswith(DONE):
                break
            if _has_token(event.data) and not first:
                first = time.monotonic() - started
            chunks += 1
        else:
            raise Problem(f"the stream broke off after {chunks} chunks, without [DONE]", LOOK)
    if chunks < 2:
        raise Problem(f"the stream had {chunks} chunk, where tokens should come one by one", LOOK)
    token = f"the first token after {first * 1000:.0f} ms" if first else "no token"
    return Finding(f"{chunks} chunks and [DONE], {token}")


def _ask(subject: Subject, *, stream: bool) -> Ask:
    body: dict[str, Any] = {
        "model": chat_model(subject.config),
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": MAX_TOKENS,
        "stream": stream,
    }
    return Ask(subject.chat_url, body)


def _has_token(data: str) -> bool:
    """Whether a chunk has a token. Raises Problem for an error, or if it cannot be read."""
    try:
        chunk = msgspec.json.decode(data, type=_Chunk)
    except ValueError as error:
        raise Problem(f"the stream has a chunk that cannot be read: {error}", LOOK) from None
    if chunk.error:
        raise broken_off(chunk.error)
    return any(
        value for choice in chunk.choices for name, value in choice.delta.items() if name != "role"
    )
