"""vLLM with one model, without I/O: reads a request, and makes the answer and its instructions."""

from collections.abc import Set as AbstractSet
from itertools import count

import msgspec

from ..answering import not_found
from ..mischief.exchange import DONE, ModelAnswer
from ..mischief.script import ScriptPlayer
from .listed.form import Form
from .listed.routes import JSON_ROUTES, UPLOAD_ROUTES, Told
from .media import Modality
from .model_requests import ChatRequest, CompletionRequest, read_request
from .refusals import bad_request
from .vllm_answers import Label, Object, chunks_of, whole_of

CHAT = ("/v1/chat/completions", "/chat/completions")
COMPLETION = ("/v1/completions", "/completions")


class Model:
    """Answers the requests for one model.

    `routes` are the paths that it serves beyond chat and text completions, `modalities` what it
    takes in chats beyond text: `image`, `audio`.
    """

    def __init__(
        self,
        name: str,
        context: int,
        script_player: ScriptPlayer | None = None,
        routes: AbstractSet[str] = frozenset(),
        modalities: AbstractSet[Modality] = frozenset(),
    ) -> None:
        self.name = name
        self.context = context
        self.routes = routes
        self._modalities = modalities
        self._script_player = script_player or ScriptPlayer()
        self._ids = count(1)

    def generate(self, operation: str, body: bytes | Form, request_id: str | None) -> Told:
        """The answer to a body, and what the body asks of the stand-in besides.

        `operation` is a path; `body` is a form where the path takes uploads. Raises Refusal for
        what vLLM does not serve.
        """
        label = Label(request_id or f"{next(self._ids):016x}", self.name, self.context)
        answer, told = self._answer(operation, body, label)
        if told.fault and not answer.can_play(told.fault):
            kind = "stream of events" if answer.stream else "stream"
            raise bad_request(f"The fault {told.fault} needs a {kind}.", "standin.fault")
        return answer, told

    def _answer(self, operation: str, body: bytes | Form, label: Label) -> Told:
        if isinstance(body, Form):
            if operation in self.routes and operation in UPLOAD_ROUTES:
                return UPLOAD_ROUTES[operation](body, label)
        elif operation in CHAT or operation in COMPLETION:
            return self._generate(operation, body, label)
        elif operation in self.routes and operation in JSON_ROUTES:
            return JSON_ROUTES[operation](body, label)
        raise not_found()

    def _generate(self, operation: str, body: bytes, label: Label) -> Told:
        request: ChatRequest | CompletionRequest
        if operation in CHAT:
            chat = read_request(ChatRequest, body)
            request = chat.scripted(self._script_player)
            chat.check_parts(self.name, self._modalities)
        else:
            request = read_request(CompletionRequest, body)
        request.check(self.name, self.context)
        if request.stream:
            answer = ModelAnswer([*map(_event, chunks_of(request, label)), DONE], stream=True)
        else:
            answer = ModelAnswer([msgspec.json.encode(whole_of(request, label))])
        return answer, request.told


def _event(chunk: Object) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(chunk)
