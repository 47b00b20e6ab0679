"""The model server: a body in; what vLLM answers to it, and what it was told to do besides, out."""

from itertools import count

import msgspec

from . import answers, errors, faults
from .exchange import DONE, Answer
from .instructions import Instructions
from .requests import Chat, read_chat, read_completion

CHAT = ("/v1/chat/completions", "/chat/completions")
COMPLETION = ("/v1/completions", "/completions")


class Model:
    """A vLLM with one model. Nothing here is I/O."""

    def __init__(self, name: str, context: int) -> None:
        self._name = name
        self._context = context
        self._ids = count(1)

    def generate(
        self, operation: str, body: bytes, request_id: str | None
    ) -> tuple[Answer, Instructions]:
        """`operation` is one of the paths above. Raises Refusal for what vLLM does not do."""
        request = read_chat(body) if operation in CHAT else read_completion(body)
        request.check(self._name, self._context)
        told = request.told
        if told.fault in faults.STREAM_FAULTS and not request.stream:
            raise errors.bad_request(f"The fault {told.fault} needs a stream.", "standin.fault")
        label = answers.Label(request_id or f"{next(self._ids):016x}", self._name, self._context)
        if request.stream:
            chunks = (
                answers.chat_chunks(request, label)
                if isinstance(request, Chat)
                else answers.completion_chunks(request, label)
            )
            return Answer([*map(_event, chunks), DONE], stream=True), told
        whole_answer = (
            answers.chat_whole(request, label)
            if isinstance(request, Chat)
            else answers.completion_whole(request, label)
        )
        return Answer([msgspec.json.encode(whole_answer)]), told


def _event(chunk: answers.Object) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(chunk)
