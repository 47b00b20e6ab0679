"""`openai.vast.ai`: Vast's OpenAI interface, which passes calls on to an endpoint's vLLM."""

from collections.abc import Callable
from urllib.parse import quote

from aiohttp import hdrs, web

from ..answering import bearer, method_not_allowed, not_found, whole
from ..mischief.mishaps import Chance
from ..model_server.model import CHAT, COMPLETION
from ..model_server.refusals import unauthorized
from ..model_server.vllm import Vllm, require_json
from .account import Account


class OpenAIGateway:
    """Serves `/{endpoint}/v1/{operation}` to clients that have the account's key."""

    def __init__(
        self, account: Account, model_server: Vllm, chance: Chance, own_url: Callable[[], str]
    ) -> None:
        self._account_key = account.key
        self._model_server = model_server
        self._chance = chance
        self._own_url = own_url
        self._operations = {
            f"/{quote(endpoint.name, safe='')}{suffix}": suffix
            for endpoint in account.endpoints.values()
            for suffix in (*CHAT, *COMPLETION)
        }

    async def answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Answers a call, or raises Refusal."""
        if bearer(request) != self._account_key:
            raise unauthorized()
        path, _, query = request.raw_path.partition("?")
        operation = self._operations.get(path)
        if operation is None:
            return self._redirect(path, query)
        if request.method != hdrs.METH_POST:
            raise method_not_allowed()
        require_json(request)
        return await self._model_server.answer(request, operation, body, self._chance.draw())

    def _redirect(self, path: str, query: str) -> web.StreamResponse:
        """vLLM redirects a path with a slash at the end to the one without."""
        stripped = path.removesuffix("/")
        if stripped not in self._operations:
            raise not_found()
        location = f"{self._own_url()}{stripped}{'?' if query else ''}{query}"
        return whole(b"", 307, headers={"location": location})
