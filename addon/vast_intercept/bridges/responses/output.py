"""The output of a response as it grows: what the model says becomes items, one after the other."""

from ...openai_api.limits import MAX_BRIDGED
from ...openai_api.members import NULL
from ..chat_answers import (
    MAX_ITEMS,
    Choice,
    Message,
    TokenLogprob,
    ToolCall,
    answer_too_large,
    bad_answer,
    read_logprobs,
)
from .asked import ENCRYPTED_REASONING, LOGPROBS, Asked, ToolOrigin
from .custom_input import Mended
from .event_writer import EventWriter
from .items import Item, Reasoning, Status
from .open_items import OpenCall, OpenItem, OpenMessage, OpenReasoning

# What the log probabilities of a token count towards the size of an answer, in bytes.
_LOGPROB = 100


class Output:
    """Takes what the model says, and keeps the items that come of it.

    An item ends when something of another kind begins, as vLLM's own do. `suffix` makes the ids of
    items distinct from those of all other responses.
    """

    def __init__(self, asked: Asked, suffix: str, writer: EventWriter) -> None:
        #: Those that have ended.
        self.items: list[Item] = []
        self._writer = writer
        self._suffix = suffix
        self._tools = asked.tools
        self._as_summary = asked.summary
        self._encrypted = ENCRYPTED_REASONING in asked.include
        self._logprobs = LOGPROBS in asked.include
        self._open: OpenItem | None = None
        self._size = 0
        self._mended = Mended()
        # Of calls, to tell which one a piece belongs to.
        self._indexes: set[int] = set()
        self._ids: set[str] = set()

    def say(self, said: Message, choice: Choice) -> None:
        """Adds what a chunk, or a whole message, says.

        Raises ApiError (502) if it makes no sense, or if the answer has become too large.
        """
        if thoughts := said.thoughts:
            self._reasoning().add(self._counted(thoughts))
        logprobs = self._logprobs_of(choice) if self._logprobs else []
        if said.content:
            self._message().text(self._counted(said.content), logprobs)
        elif logprobs and isinstance(self._open, OpenMessage):
            self._open.wait(logprobs)
        if said.refusal:
            self._message().refusal(self._counted(said.refusal))
        for call in said.tool_calls or ():
            self._call(call)

    def say_calls(self, calls: list[ToolCall]) -> None:
        """Adds tool calls, each of which is whole."""
        for call in calls:
            self._add(self._begin_call(call), call)

    def end(self, *, complete: bool) -> None:
        """The model has stopped. If it was made to, the item that it was at is not complete."""
        self._close("completed" if complete else "incomplete")
        if complete and all(isinstance(item, Reasoning) for item in self.items):
            # Apps look for a message, and OpenAI's answers have one even if it is empty.
            self._message().text("", [])
            self._close("completed")

    def _reasoning(self) -> OpenReasoning:
        if not isinstance(self._open, OpenReasoning):
            suffix, index = self._next_place()
            self._open = OpenReasoning(
                self._writer,
                f"rs_{suffix}",
                index,
                as_summary=self._as_summary,
                encrypted=self._encrypted,
            )
        return self._open

    def _message(self) -> OpenMessage:
        if not isinstance(self._open, OpenMessage):
            suffix, index = self._next_place()
            self._open = OpenMessage(self._writer, f"msg_{suffix}", index)
        return self._open

    def _call(self, piece: ToolCall) -> None:
        if not (piece.id or piece.name or piece.arguments):
            return
        call = self._open
        if not (isinstance(call, OpenCall) and call.is_continued_by(piece)):
            if piece.index in self._indexes and (not piece.id or piece.id in self._ids):
                raise bad_answer("it goes on with a tool call that had ended")
            call = self._begin_call(piece)
        self._add(call, piece)

    def _begin_call(self, call: ToolCall) -> OpenCall:
        suffix, index = self._next_place()
        if call.id in self._ids:
            call.id = None  # apps tell calls apart by their ids
        if call.id:
            self._ids.add(call.id)
        if call.index is not None:
            self._indexes.add(call.index)
        self._open = begun = OpenCall(self._writer, (suffix, index), call, self._mended)
        return begun

    def _add(self, call: OpenCall, piece: ToolCall) -> None:
        if name := piece.name:
            # A function that nobody offered: the app knows best what to do with it.
            call.name(self._tools.get(name) or ToolOrigin("function", name))
        if arguments := piece.arguments:
            call.add(self._counted(arguments))

    def _next_place(self) -> tuple[str, int]:
        """Ends the item before, and gives the next one the end of its id, and its index."""
        self._close("completed")
        index = len(self.items)
        if index >= MAX_ITEMS:
            raise bad_answer(f"it would become more than {MAX_ITEMS} items")
        return f"{self._suffix}0{index:04x}", index

    def _close(self, status: Status) -> None:
        if self._open:
            item, self._open = self._open, None
            self.items.append(item.close(status))

    def _logprobs_of(self, choice: Choice) -> list[TokenLogprob]:
        logprobs = read_logprobs(choice.logprobs) if choice.logprobs is not NULL else []
        self._size += len(logprobs) * _LOGPROB
        return logprobs

    def _counted(self, text: str) -> str:
        """The text, once it is known that it is not too much. Raises ApiError (502) if it is."""
        self._size += len(text)
        if self._size > MAX_BRIDGED:
            raise answer_too_large()
        return text
