"""A Responses call whose request was read: it makes responses of chat completions."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ...openai_api.media_parts import MediaName
from ...openai_api.outline import Buffer
from ..bridge import BridgedAnswer
from ..chat_answers import read_whole
from .answer import CallContext, ResponseBuilder
from .asked import Asked
from .event_writer import NoEvents
from .events import ResponseEvents


@dataclass(frozen=True, slots=True)
class ResponsesBridge:
    """Implements `Bridge` for one call of the Responses API.

    `response_id` begins with `resp_`. `created_at` is Unix time in whole seconds, and `now` tells
    Unix time when the answer is complete.
    """

    asked: Asked
    chat: bytes
    left_out: tuple[str, ...]
    response_id: str
    created_at: int
    now: Callable[[], float] = time.time
    media: tuple[MediaName, ...] = ()

    def answer(self, body: Buffer) -> BridgedAnswer:
        """The response, from a whole chat completion. Raises ApiError (502) for what is not one."""
        call = self._call()
        answer = ResponseBuilder(call, NoEvents())
        answer.take_whole(read_whole(body))
        response = msgspec.json.encode(answer.ended(self.now()))
        return BridgedAnswer(response, call.record(response))

    def events(self) -> ResponseEvents:
        """The stream of the response, about to begin."""
        return ResponseEvents(self._call(), self.now)

    def _call(self) -> CallContext:
        return CallContext(self.asked, self.response_id, self.created_at)
