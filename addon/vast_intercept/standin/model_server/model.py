"""vLLM with one model, without I/O: reads a request, and makes the answer and its instructions."""

from itertools import count

import msgspec

from ..mischief.exchange import DONE, ModelAnswer
from ..mischief.instructions import STREAM_FAULTS, Instructions
from ..mischief.script import ScriptPlayer
from .model_requests import ChatRequest, CompletionRequest, read_request
from .refusals import bad_request
from .vllm_answers import Label, Object, chunks_of, whole_of

CHAT = ("/v1/chat/completions", "/chat/completions")
COMPLETION = ("/v1/completions", "/completions")


class Model:
    """Answers the requests for one model."""

    def __init__(self, name: str, context: int, script_player: ScriptPlayer | None = None) -> None:
        self._name = name
        self._context = context
        self._script_player = script_player or ScriptPlayer()
        self._ids = count(1)

    def generate(
        self, operation: str, body: bytes, request_id: str | None
    ) -> tuple[ModelAnswer, Instructions]:
        """The answer to a body, and what the body asks of the stand-in besides.

        `operation` is a path of CHAT or COMPLETION. Raises Refusal for what vLLM does not serve.
        """
        request = read_request(ChatRequest if operation in CHAT else CompletionRequest, body)
        if isinstance(request, ChatRequest):
            request = request.scripted(self._script_player.script)
        request.check(self._name, self._context)
        told = request.told
        if told.fault in STREAM_FAULTS and not request.stream:
            raise bad_request(f"The fault {told.fault} needs a stream.", "standin.fault")
        label = Label(request_id or f"{next(self._ids):016x}", self._name, self._context)
        if request.stream:
            return ModelAnswer([*map(_event, chunks_of(request, label)), DONE], stream=True), told
        return ModelAnswer([msgspec.json.encode(whole_of(request, label))]), told


def _event(chunk: Object) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(chunk)
