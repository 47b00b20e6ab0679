"""Puts an answer together, whole or streamed: the message of each choice. Pure, never fails."""

from collections.abc import Iterable
from typing import Any

from ...openai_api.sse import DONE
from . import messages, responses
from .answer import ChatAnswer
from .completions import add_completion
from .events import data_of_events
from .extent import ends_of_stream
from .layout import json_value, typed

_DONE = DONE.encode()
_LEFT_OUT = " […] "


def assemble_whole(body: bytes) -> ChatAnswer | None:
    """Reads a whole answer. None if the body is something else."""
    answer = ChatAnswer()
    return answer if _add(answer, body) and answer.understood else None


def assemble_stream(body: bytes) -> ChatAnswer | None:
    """Reads the part of a stream that has come. None if the body is something else."""
    answer = ChatAnswer(streamed=True)
    head, answer.left_out, tail = ends_of_stream(body)
    if answer.left_out:
        *complete, _ = data_of_events(head)
        _add_events(answer, complete)
        for choice in answer.choices.values():
            choice.leave_out(_LEFT_OUT)
    _add_end(answer, tail if answer.left_out else head)
    return answer if answer.understood else None


def assemble_all(body: bytes) -> ChatAnswer | None:
    """Reads all of a stream, however long it is. None if the body is something else."""
    answer = ChatAnswer(streamed=True)
    _add_end(answer, body)
    return answer if answer.understood else None


def _add_end(answer: ChatAnswer, body: bytes) -> None:
    """Adds the events of a stream up to its end, where one may be that is not complete."""
    *complete, rest = data_of_events(body)
    _add_events(answer, complete)
    if rest.strip() == _DONE:  # an end that nobody has finished is one all the same
        answer.done = True
    elif rest:
        _add(answer, rest)


def _add_events(answer: ChatAnswer, events: Iterable[bytes]) -> None:
    for data in events:
        if data.strip() == _DONE:
            answer.done = True
        elif not _add(answer, data):
            answer.strange += 1


def _add(answer: ChatAnswer, data: bytes) -> bool:
    """Adds a whole answer or an event of a stream, but for the members whose type is wrong.

    Returns False if the data are something else. Of which API they are, they say themselves.
    """
    body = json_value(data)
    if not isinstance(body, dict):
        return False
    kind = typed(body.get("type"), str)
    if not kind and "choices" in body:
        _add_completion(answer, body)
    elif responses.is_event(kind):
        responses.add_event(answer, body)
    elif messages.is_event(kind):
        messages.add_event(answer, body)
    elif responses.is_response(body):
        responses.add_response(answer, body)
    elif messages.is_message(body):
        messages.add_answer(answer, body)
    else:
        _add_completion(answer, body)
    return True


def _add_completion(answer: ChatAnswer, body: dict[str, Any]) -> None:
    answer.model = typed(body.get("model"), str) or answer.model
    answer.usage = typed(body.get("usage"), dict) or answer.usage
    # An error of the Responses API's streams is the event itself.
    error = body if body.get("type") == "error" and "error" not in body else body.get("error")
    answer.error = error or answer.error
    add_completion(answer, body)
