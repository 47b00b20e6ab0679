"""Items of a response's output while the model is still at them.

Each writes its events as it grows. At its end it becomes an item that does not change any more.
"""

from typing import Protocol

from msgspec import UNSET

from ..chat_answers import TokenLogprob, ToolCall, bad_answer
from .asked import ToolOrigin
from .custom_input import CustomInput, Mended
from .event_writer import EventWriter
from .items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OutputText,
    Reasoning,
    ReasoningText,
    Refusal,
    Status,
    SummaryText,
)
from .reasoning import encode


class OpenItem(Protocol):
    """An item that is still growing."""

    def close(self, status: Status) -> Item:
        """Writes its last events, and returns what has become of it."""
        ...


class OpenMessage:
    """A message. A refusal in it is a part of its own."""

    def __init__(self, writer: EventWriter, item_id: str, output_index: int) -> None:
        self._writer = writer
        self._item = Message(id=item_id)
        self._place: dict[str, object] = {"item_id": item_id, "output_index": output_index}
        self._output_index = output_index
        self._kind: type[OutputText | Refusal] | None = None
        self._template = b""
        self._said: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        # Of tokens that have added no text yet, such as the first bytes of a character.
        self._waiting: list[TokenLogprob] = []
        writer.write("response.output_item.added", output_index=output_index, item=self._item)

    def text(self, delta: str, logprobs: list[TokenLogprob]) -> None:
        """Adds text, and what the tokens' log probabilities are if the app asked for them."""
        if self._kind is not OutputText:
            self._begin(OutputText(), "response.output_text.delta")
        self.wait(logprobs)
        if not delta:
            return
        self._said.append(delta)
        if self._waiting:
            logprobs, self._waiting = self._waiting, []
            self._logprobs += logprobs
            place = self._part_place()
            self._writer.write(
                "response.output_text.delta", **place, delta=delta, logprobs=logprobs
            )
        else:
            self._writer.write_delta(self._template, delta)

    def wait(self, logprobs: list[TokenLogprob]) -> None:
        """Keeps log probabilities of tokens that have added no text yet for the next text."""
        if logprobs and self._kind is OutputText:
            self._waiting += logprobs

    def refusal(self, delta: str) -> None:
        """Adds to a refusal."""
        if self._kind is not Refusal:
            self._begin(Refusal(), "response.refusal.delta")
        self._said.append(delta)
        self._writer.write_delta(self._template, delta)

    def close(self, status: Status) -> Item:
        """Ends the message."""
        self._end_part()
        self._item.status = status
        self._writer.write(
            "response.output_item.done", output_index=self._output_index, item=self._item
        )
        return self._item

    def _part_place(self) -> dict[str, object]:
        return {**self._place, "content_index": len(self._item.content)}

    def _begin(self, part: OutputText | Refusal, kind_of_delta: str) -> None:
        self._end_part()
        self._kind = type(part)
        place = self._part_place()
        more = {"logprobs": ()} if self._kind is OutputText else {}
        self._template = self._writer.delta_of(kind_of_delta, **place, **more)
        self._writer.write("response.content_part.added", **place, part=part)

    def _end_part(self) -> None:
        if self._kind is None:
            return
        said = "".join(self._said)
        place = self._part_place()
        part: OutputText | Refusal
        if self._kind is OutputText:
            logprobs = self._logprobs + self._waiting
            part = OutputText(text=said, logprobs=logprobs)
            self._writer.write("response.output_text.done", **place, text=said, logprobs=logprobs)
        else:
            part = Refusal(refusal=said)
            self._writer.write("response.refusal.done", **place, refusal=said)
        self._writer.write("response.content_part.done", **place, part=part)
        self._item.content.append(part)
        self._kind = None
        self._said, self._logprobs, self._waiting = [], [], []


class OpenReasoning:
    """What the model thinks: as a summary if the app asked for one, else as it is.

    OpenAI sends a summary only to apps that ask for it, and most apps show nothing else. Of open
    models there is no summary, so that the reasoning takes its place.
    """

    def __init__(
        self,
        writer: EventWriter,
        item_id: str,
        output_index: int,
        *,
        as_summary: bool,
        encrypted: bool,
    ) -> None:
        self._writer = writer
        self._item = Reasoning(id=item_id)
        self._output_index = output_index
        self._as_summary = as_summary
        self._encrypted = encrypted
        self._said: list[str] = []
        index = "summary_index" if as_summary else "content_index"
        self._place: dict[str, object] = {
            "item_id": item_id,
            "output_index": output_index,
            index: 0,
        }
        self._part = "reasoning_summary_part" if as_summary else "content_part"
        self._text = "reasoning_summary_text" if as_summary else "reasoning_text"
        self._template = writer.delta_of(f"response.{self._text}.delta", **self._place)
        writer.write("response.output_item.added", output_index=output_index, item=self._item)
        part = SummaryText() if as_summary else ReasoningText()
        writer.write(f"response.{self._part}.added", **self._place, part=part)

    def add(self, delta: str) -> None:
        """Adds to the reasoning."""
        self._said.append(delta)
        self._writer.write_delta(self._template, delta)

    def close(self, status: Status) -> Item:
        """Ends the reasoning. OpenAI's has no status."""
        said = "".join(self._said)
        part: SummaryText | ReasoningText
        if self._as_summary:
            part = SummaryText(said)
            self._item.summary = [part]
        else:
            part = ReasoningText(said)
            self._item.content = [part]
        if self._encrypted:
            self._item.encrypted_content = encode(said)
        self._writer.write(f"response.{self._text}.done", **self._place, text=said)
        self._writer.write(f"response.{self._part}.done", **self._place, part=part)
        self._writer.write(
            "response.output_item.done", output_index=self._output_index, item=self._item
        )
        return self._item


class OpenCall:
    """The call of a function or of a custom tool. Its first event is due when it has a name."""

    def __init__(
        self, writer: EventWriter, place: tuple[str, int], call: ToolCall, mended: Mended
    ) -> None:
        self._writer = writer
        self._mended = mended
        self._suffix, self._output_index = place
        self.index = call.index
        self.id = call.id or None
        self._call_id = call.id or f"call_{self._suffix}"
        self._item: FunctionCall | CustomToolCall | None = None
        self._input: CustomInput | None = None
        self._template = b""
        self._said: list[str] = []
        self._unnamed: list[str] = []

    def is_continued_by(self, call: ToolCall) -> bool:
        """Whether this piece belongs to this call, rather than to another one."""
        if call.id and self.id and call.id != self.id:
            return False
        if call.index is not None and self.index is not None:
            return call.index == self.index
        # Without an index, the name of a function is what begins a call.
        return bool(call.id and self.id) or self._item is None or not call.name

    def name(self, origin: ToolOrigin) -> None:
        """The name has come, and with it the tool that is called. Any further name is ignored."""
        if self._item is not None:
            return
        namespace = UNSET if origin.namespace is None else origin.namespace
        if origin.kind == "custom":
            self._input = CustomInput(self._mended)
            item_id, kind = f"ctc_{self._suffix}", "custom_tool_call_input"
            self._item = CustomToolCall(
                id=item_id, call_id=self._call_id, name=origin.name, namespace=namespace
            )
        else:
            item_id, kind = f"fc_{self._suffix}", "function_call_arguments"
            self._item = FunctionCall(
                id=item_id, call_id=self._call_id, name=origin.name, namespace=namespace
            )
        self._writer.write(
            "response.output_item.added", output_index=self._output_index, item=self._item
        )
        self._template = self._writer.delta_of(
            f"response.{kind}.delta", item_id=item_id, output_index=self._output_index
        )
        for arguments in self._unnamed:
            self.add(arguments)

    def add(self, arguments: str) -> None:
        """Adds to the arguments."""
        if self._item is None:
            self._unnamed.append(arguments)
        else:
            self._say(self._input.feed(arguments) if self._input else arguments)

    def _say(self, delta: str) -> None:
        if delta:
            self._said.append(delta)
            self._writer.write_delta(self._template, delta)

    def close(self, status: Status) -> Item:
        """Ends the call. Raises ApiError (502) if nobody knows what was called."""
        item = self._item
        if item is None:
            raise bad_answer("a tool call has no name")
        place: dict[str, object] = {"item_id": item.id, "output_index": self._output_index}
        item.status = status
        if isinstance(item, CustomToolCall):
            assert self._input
            self._say(self._input.end())
            item.input = "".join(self._said)
            self._writer.write("response.custom_tool_call_input.done", **place, input=item.input)
        else:
            if not self._said and status == "completed":
                self._say("{}")  # as OpenAI has it: apps decode it
            item.arguments = "".join(self._said)
            self._writer.write(
                "response.function_call_arguments.done",
                **place,
                name=item.name,
                arguments=item.arguments,
            )
        self._writer.write("response.output_item.done", output_index=self._output_index, item=item)
        return item
