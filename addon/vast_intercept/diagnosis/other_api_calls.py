"""Steps: a streamed call of the Responses API, and one of the Messages API.

Vast gets chat completions for both. Whether it answers them is known from the steps before, so that
what fails here is what the interceptor makes of them, or the model.
"""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..openai_api.operations import Operation
from ..openai_api.sse import EventParser
from .calling import LOOK, MAX_TOKENS, PROMPT, Ask, Error, answer_to, broken_off, check_is_stream
from .findings import Finding, NotApplicable, Problem
from .subject import Subject
from .target import chat_model, url_of

_ANTHROPIC_HOST = "api.anthropic.com"

# By the event that a stream begins with: those that a complete one ends with.
_ENDS = {
    "response.created": frozenset({"response.completed", "response.incomplete"}),
    "message_start": frozenset({"message_stop"}),
}
_TEXT = frozenset({"content_block_delta"})


class _Failed(msgspec.Struct):
    error: Error | None = None


class _Event(msgspec.Struct):
    type: str = ""
    #: OpenAI has the fields of an error in the event `error` itself, too.
    error: Error | None = None
    message: object = None
    code: object = None
    response: _Failed | None = None


def responses_call(subject: Subject) -> Finding:
    """Makes a Responses call that is answered event by event. Raises Problem and NotApplicable."""
    _need_served(subject, Operation.RESPONSES)
    body = {
        "model": chat_model(subject.config),
        "input": PROMPT,
        "max_output_tokens": MAX_TOKENS,
        "store": False,
        "stream": True,
    }
    url = url_of(subject.chat_url, Operation.RESPONSES)
    return _streamed(subject, Ask(url, body), "response.created")


def messages_call(subject: Subject) -> Finding:
    """Makes a call of Anthropic's Messages API. Raises Problem and NotApplicable."""
    _need_served(subject, Operation.MESSAGES)
    if _ANTHROPIC_HOST not in subject.status.provider_hosts:
        raise Problem(
            f"the interceptor does not take over {_ANTHROPIC_HOST}",
            "It runs with another configuration. Start it anew with this one.",
        )
    if subject.door.is_reverse and urlsplit(subject.chat_url).hostname != _ANTHROPIC_HOST:
        raise NotApplicable("another provider is behind the interceptor")
    body = {
        "model": chat_model(subject.config),
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": PROMPT}],
        "stream": True,
    }
    url = f"https://{_ANTHROPIC_HOST}/v1/{Operation.MESSAGES}"
    return _streamed(subject, Ask(url, body, key_header="x-api-key"), "message_start")


def _need_served(subject: Subject, operation: Operation) -> None:
    """Raises NotApplicable if the configuration has such calls rejected, or passed on."""
    if setting := subject.config.unsupported.get(operation):
        raise NotApplicable(f"not called, because of unsupported: {{{operation}: {setting}}}")


def _streamed(subject: Subject, ask: Ask, begin: str) -> Finding:
    started = time.monotonic()
    first = 0.0
    types: list[str] = []
    with answer_to(subject, ask) as (answer, pieces):
        check_is_stream(answer)
        for event in _events(pieces):
            types.append(event.type)
            if not first and (event.type in _TEXT or event.type.endswith(".delta")):
                first = time.monotonic() - started
            if event.type in _ENDS[begin]:
                break
        else:
            raise Problem(f"the stream broke off after {len(types)} events, without its end", LOOK)
    if types[0] != begin:
        raise Problem(f"the stream began with {types[0]!r} in the place of {begin!r}", LOOK)
    token = f"the first token after {first * 1000:.0f} ms" if first else "no token"
    return Finding(f"{len(types)} events up to {types[-1]}, {token}")


def _events(pieces: Iterator[bytes]) -> Iterator[_Event]:
    """The events of a stream. Raises Problem for an error, or if one cannot be read."""
    parser = EventParser()
    for each in (event for piece in pieces for event in parser.feed(piece)):
        try:
            event = msgspec.json.decode(each.data, type=_Event)
        except ValueError as error:
            raise Problem(f"the stream has an event that cannot be read: {error}", LOOK) from None
        if event.type in {"error", "response.failed"}:
            raise broken_off(_error_of(event))
        yield event


def _error_of(event: _Event) -> Error:
    inner = event.error or (event.response and event.response.error)
    if inner:
        return inner
    said: dict[str, Any] = {
        name: value
        for name in ("message", "code")
        if isinstance(value := getattr(event, name), str)
    }
    return Error(**said)
