"""A Responses call whose request was read: it makes responses of chat completions."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ...openai_api.outline import Buffer
from ..bridge import AppEvents, BridgedAnswer
from .asked import Asked


@dataclass(frozen=True, slots=True)
class ResponsesBridge:
    """Implements `Bridge` for one call of the Responses API.

    `response_id` begins with `resp_`. `created_at` is Unix time in whole seconds, and `now` tells
    the time at which the answer is complete.
    """

    asked: Asked
    chat: bytes
    left_out: tuple[str, ...]
    response_id: str
    created_at: int
    now: Callable[[], float] = time.time

    def answer(self, body: Buffer) -> BridgedAnswer:
        """The response, from a whole chat completion. Raises ApiError (502) for what is not one."""
        raise NotImplementedError

    def events(self) -> AppEvents:
        """The stream of the response, about to begin."""
        raise NotImplementedError
