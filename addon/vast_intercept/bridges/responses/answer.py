"""Builds a response out of a chat completion, which comes whole or as chunks of a stream."""

from dataclasses import dataclass

from ...openai_api.errors import ApiError
from ...openai_api.members import NULL
from ..bridge import Record
from ..chat_answers import ChatCompletion, ChatUsage, bad_answer, read_usage
from .asked import Asked
from .event_writer import EventWriter
from .output import Output
from .response import INCOMPLETE, ResponseObject, ResponseObjects


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call of the API: what was asked, and what its answer is called.

    `response_id` begins with `resp_`. `created_at` is Unix time in whole seconds.
    """

    asked: Asked
    response_id: str
    created_at: int

    def record(self, response: bytes) -> Record | None:
        """What is kept of the call with this answer; None if the app wants nothing kept."""
        if not self.asked.store:
            return None
        return Record(self.response_id, self.asked.previous, self.asked.items, response)


class ResponseBuilder:
    """Takes a chat completion, whole or chunk by chunk, until the model has stopped."""

    def __init__(self, call: CallContext, writer: EventWriter) -> None:
        suffix = call.response_id.removeprefix("resp_")
        self._objects = ResponseObjects(call.asked, call.response_id, call.created_at)
        self._output = Output(call.asked, suffix, writer)
        self._usage: ChatUsage | None = None
        self._finish_reason = ""

    @property
    def finished(self) -> bool:
        """Whether the model has stopped. All that may still come is the usage."""
        return bool(self._finish_reason)

    def take_chunk(self, chunk: ChatCompletion) -> None:
        """Takes the next chunk. Raises ApiError (502) if it makes no sense."""
        self._note_usage(chunk)
        choice = chunk.choice
        if choice is None or self._finish_reason:
            return
        if choice.delta:
            self._output.say(choice.delta, choice)
        if choice.finish_reason:
            self._finish(choice.finish_reason)

    def take_whole(self, completion: ChatCompletion) -> None:
        """Takes all of it at once. Raises ApiError (502) if it is no answer."""
        self._note_usage(completion)
        choice = completion.choice
        if choice is None or choice.message is None:
            raise bad_answer("it has no message")
        calls, choice.message.tool_calls = choice.message.tool_calls, None
        self._output.say(choice.message, choice)
        self._output.say_calls(calls or [])
        self._finish(choice.finish_reason or "stop")

    def in_progress(self) -> ResponseObject:
        """The response before it has any output."""
        return self._objects.in_progress()

    def ended(self, now: float) -> ResponseObject:
        """The response once the model has stopped. `now` is Unix time in seconds."""
        return self._objects.ended(self._output.items, self._usage, self._finish_reason, now)

    def failed(self, error: ApiError) -> ResponseObject:
        """The response with this error, and with what had come before it."""
        return self._objects.failed(self._output.items, error)

    def _note_usage(self, answer: ChatCompletion) -> None:
        if answer.usage is not NULL and (usage := read_usage(answer.usage)):
            self._usage = usage

    def _finish(self, reason: str) -> None:
        self._output.end(complete=reason not in INCOMPLETE)
        self._finish_reason = reason
