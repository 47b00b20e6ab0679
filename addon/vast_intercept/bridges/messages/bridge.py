"""A Messages call whose request was read: it makes messages of chat completions."""

from dataclasses import dataclass

from ...openai_api.media_parts import MediaName
from ...openai_api.outline import Buffer
from ..bridge import BridgedAnswer
from ..chat_answers import read_whole
from .answer import whole_message
from .asked import Asked
from .events import MessageEvents


@dataclass(frozen=True, slots=True)
class MessagesBridge:
    """Implements `Bridge` for one call of the Messages API."""

    asked: Asked
    chat: bytes
    left_out: tuple[str, ...]
    media: tuple[MediaName, ...] = ()

    def answer(self, body: Buffer) -> BridgedAnswer:
        """The message, from a whole chat completion. Raises ApiError (502) for what is not one."""
        return BridgedAnswer(whole_message(self.asked, read_whole(body)))

    def events(self) -> MessageEvents:
        """The stream of the message, about to begin."""
        return MessageEvents(self.asked)
