"""A streamed message: the chunks of a chat completion's stream become Anthropic's events.

https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

import msgspec

from ...openai_api.error_shapes import error_body
from ...openai_api.errors import ApiError
from ...openai_api.members import NULL
from ..bridge import Record
from ..chat_answers import (
    MAX_ITEMS,
    ChatCompletion,
    Choice,
    Message,
    ToolCall,
    bad_answer,
    ended_early,
)
from ..chat_events import ChatEvents
from .answer import call_id, message_fields, text_block, tool_block
from .asked import Asked
from .endings import ending, usage_fields

_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_encode = msgspec.json.Encoder().encode


class MessageEvents:
    """Implements `AppEvents` for one message. An event leaves with the chunk that causes it."""

    record: Record | None = None

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._chat = ChatEvents()
        self._out: list[bytes] = []
        self._begun = False
        self._ended = False
        self.failure: ApiError | None = None
        #: The index and the type of the block that is open, or of the last one.
        self._index = -1
        self._open = ""
        #: Of each tool call, by the index that Vast gave it: the id, and the block's index.
        self._calls: dict[int, tuple[str, int]] = {}
        self._refused = False
        self._finish: Choice | None = None
        self._usage = NULL
        self._told_end = False
        #: Bytes of what the model said, for an estimate if no usage comes.
        self._said = 0

    def feed(self, events: bytes) -> bytes:
        """Takes the next bytes of the chat stream, and returns the events that they cause.

        Raises ApiError (502) if they are no chat completion.
        """
        if self._ended or self.failure:
            return b""
        try:
            for chunk in self._chat.feed(events):
                self._take(chunk)
        except ApiError as error:
            self.failure = error
            raise
        return self._written()

    def end(self, error: ApiError | None = None) -> bytes:
        """Returns the last events: those of a message that is complete, or an error."""
        error = error or self.failure
        if error is None and self._finish is None:
            error = self.failure = ended_early()
        if error:
            return self.fail(error)
        if not self._ended:
            self._ended = True
            self._tell_end()
            self._write("message_stop", {"type": "message_stop"})
        return self._written()

    def fail(self, error: ApiError) -> bytes:
        """Returns the error as an event. No `message_stop` follows it."""
        if self._ended:
            return b""
        self._ended = True
        body = error_body(error, "anthropic", self._asked.request_id)
        self._out.append(b"event: error\ndata: %b\n\n" % body)
        return self._written()

    def keep_alive(self) -> bytes:
        """Returns a `ping`, behind the beginning of the message."""
        if self._begun:
            return _PING
        self._begin()
        return self._written()

    # --- chunks -------------------------------------------------------------------------------

    def _take(self, chunk: ChatCompletion) -> None:
        if not self._begun:
            self._begin()
        if chunk.usage is not NULL and chunk.usage != NULL:
            self._usage = chunk.usage
        choice = chunk.choice
        if choice is None:
            if self._finish and self._usage is not NULL:
                self._tell_end()  # the chunk behind the last one, with nothing but the usage
            return
        if self._told_end:
            return
        if choice.delta:
            self._say(choice.delta)
        if choice.finish_reason is not None:
            self._finish = choice
            self._close()

    def _say(self, said: Message) -> None:
        if thoughts := said.thoughts:
            self._think(thoughts)
        if text := (said.content or "") + (said.refusal or ""):
            self._refused = self._refused or bool(said.refusal)
            self._said += len(text.encode())
            if self._open != "text":
                self._start("text", text_block(""))
            self._delta({"type": "text_delta", "text": text})
        for call in said.tool_calls or ():
            self._call(call)

    def _think(self, thoughts: str) -> None:
        self._said += len(thoughts.encode())
        if not self._asked.thinking:
            self._out.append(_PING)  # the app sees that the answer goes on
            return
        if self._open != "thinking":
            self._start("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if self._asked.thinking_omitted:
            self._out.append(_PING)
        else:
            self._delta({"type": "thinking_delta", "thinking": thoughts})

    def _call(self, call: ToolCall) -> None:
        key = self._key_of(call)
        known = self._calls.get(key)
        if known is None or (call.id and known[0] and call.id != known[0]):
            if len(self._calls) >= MAX_ITEMS:
                raise bad_answer(f"it has more than {MAX_ITEMS:,} tool calls")
            identifier = call_id(self._asked, call.id, self._index + 1 + (self._open != ""))
            self._start("tool_use", tool_block(identifier, call.name, {}))
            self._calls[key] = known = (call.id or "", self._index)
        if arguments := call.arguments:
            if known[1] != self._index or self._open != "tool_use":
                raise bad_answer("it goes on with a tool call that another one has followed")
            self._said += len(arguments.encode())
            self._delta({"type": "input_json_delta", "partial_json": arguments})

    def _key_of(self, call: ToolCall) -> int:
        """The index of a call. Without one, an id or a name begins the next call."""
        if call.index is not None:
            return call.index
        last = max(self._calls, default=-1)
        begins = bool(call.id or call.name)
        if begins and last >= 0 and call.id and call.id == self._calls[last][0]:
            begins = False
        return last + 1 if begins or last < 0 else last

    # --- events -------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._begun = True
        self._write(
            "message_start", {"type": "message_start", "message": message_fields(self._asked)}
        )
        self._out.append(_PING)

    def _start(self, kind: str, block: dict[str, object]) -> None:
        self._close()
        self._open = kind
        self._index += 1
        self._write(
            "content_block_start",
            {"type": "content_block_start", "index": self._index, "content_block": block},
        )

    def _delta(self, delta: dict[str, str]) -> None:
        event = {"type": "content_block_delta", "index": self._index, "delta": delta}
        self._write("content_block_delta", event)

    def _close(self) -> None:
        if not self._open:
            return
        if self._open == "thinking":
            self._delta({"type": "signature_delta", "signature": self._asked.signature})
        self._open = ""
        self._write("content_block_stop", {"type": "content_block_stop", "index": self._index})

    def _tell_end(self) -> None:
        if self._told_end:
            return
        self._told_end = True
        reason, sequence = ending(self._finish, calls=bool(self._calls), refused=self._refused)
        self._write(
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": reason, "stop_sequence": sequence},
                "usage": usage_fields(self._usage, self._asked, self._said),
            },
        )

    def _write(self, name: str, event: dict[str, object]) -> None:
        self._out.append(b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(event)))

    def _written(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out
