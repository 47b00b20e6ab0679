"""Makes OpenAI's events of a transcription of the chunks that vLLM streams.

https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event. There is no
`[DONE]`: the event `transcript.text.done`, which has all of the text once more, is the last one
(FACTS V28, C42).
"""

import msgspec

from ..bridges.bridge import Record
from ..bridges.chat_answers import answer_too_large
from ..bridges.chat_events import ChatEvents
from ..openai_api.errors import ApiError
from ..openai_api.limits import MAX_BRIDGED
from ..openai_api.members import NULL
from ..openai_api.sse import error_event
from ..openai_api.usage import Usage, usage_of

_DELTA = "transcript.text.delta"
_DONE = "transcript.text.done"


class TranscriptEvents:
    """Implements `AppEvents` for one stream."""

    record: Record | None = None
    failure: ApiError | None = None

    def __init__(self) -> None:
        # vLLM's chunks of a transcription have the form of those of a chat completion.
        self._chunks = ChatEvents()
        self._texts: list[str] = []
        self._size = 0
        self._usage: Usage | None = None

    def feed(self, events: bytes) -> bytes:
        """Returns an event for each piece of text. Raises ApiError (502) for what is no chunk."""
        made = bytearray()
        for chunk in self._chunks.feed(events):
            if chunk.usage != NULL:
                self._usage = usage_of(b'{"usage":%b}' % bytes(chunk.usage))
            choice = chunk.choice
            text = (choice and choice.delta and choice.delta.content) or ""
            if not self._texts:
                text = text.lstrip()  # Whisper begins with a space, and OpenAI does not
            if text:
                made += _delta(text)
                self._texts.append(text)
                self._size += len(text)
                if self._size > MAX_BRIDGED:
                    raise answer_too_large()
        return bytes(made)

    def end(self, error: ApiError | None = None) -> bytes:
        """Returns the last event: all of the text, or the error that the stream reported."""
        if error:
            return self.fail(error)
        done: dict[str, object] = {"type": _DONE, "text": "".join(self._texts)}
        if self._usage:
            tokens = self._usage.prompt_tokens, self._usage.completion_tokens
            done["usage"] = {
                "type": "tokens",
                "input_tokens": tokens[0],
                "output_tokens": tokens[1],
                "total_tokens": sum(tokens),
            }
        return _event(done)

    def fail(self, error: ApiError) -> bytes:
        """Returns the error as an event."""
        return error_event(error)

    def keep_alive(self) -> bytes:
        """Returns a piece of no text."""
        return _delta("")


def _delta(text: str) -> bytes:
    return _event({"type": _DELTA, "delta": text})


def _event(data: dict[str, object]) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(data)
