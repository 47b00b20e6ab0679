"""vLLM on a machine of one's own: an OpenAI-compatible server that wants a key of its own."""

from dataclasses import dataclass

from aiohttp import hdrs, web

from ..answering import bearer, json_answer, method_not_allowed, not_found
from ..mischief.mishaps import Chance
from . import refusals
from .model import CHAT, COMPLETION
from .vllm import Vllm
from .vllm_answers import CREATED

PREFIX = "/v1/"

_MODELS = "/v1/models"


@dataclass(frozen=True, slots=True)
class Machine:
    """Serves the paths below `/v1/` to clients that have the machine's key."""

    key: str
    model_server: Vllm
    chance: Chance

    async def answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Answers a call, or raises Refusal: the recorded ones for a wrong key, path or method."""
        if bearer(request) != self.key:
            raise refusals.unauthorized()
        path = request.raw_path.partition("?")[0]
        model = self.model_server.model
        if path not in {_MODELS, CHAT[0], COMPLETION[0], *model.routes}:
            raise not_found()
        method = hdrs.METH_GET if path == _MODELS else hdrs.METH_POST
        if request.method != method:
            raise method_not_allowed(method)
        if path == _MODELS:
            return self._models()
        return await self.model_server.open(request, body, self.chance.draw())

    def _models(self) -> web.StreamResponse:
        """The list of models as recorded, without the permissions of each."""
        model = self.model_server.model
        listed = {
            "id": model.name,
            "object": "model",
            "created": CREATED,
            "owned_by": "vllm",
            "root": model.name,
            "parent": None,
            "max_model_len": model.context,
        }
        return json_answer({"object": "list", "data": [listed]})
