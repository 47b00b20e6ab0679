"""Vast's OpenAI interface: one URL for an endpoint, Vast does the rest (FACTS V1)."""

from functools import lru_cache

import aiohttp
from yarl import URL

from ...openai_api.errors import ApiError
from ...openai_api.operations import Operation
from ...vast_api.headers import headers
from ...vast_api.openai_interface import operation_url
from ..call import Call, Prompt, Waiting
from ..http_client import HttpClient
from ..serving.whole_answer import explain_vast
from .tls import public_context


class OpenAIInterface:
    """Sends calls to `openai_url`."""

    @staticmethod
    def explain(status: int, body: bytes, call: Call) -> ApiError:
        """What an answer that is no success means to an app."""
        return explain_vast(status, body, call)

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def send(
        self, call: Call, endpoint: str, prompt: Prompt, waiting: Waiting
    ) -> aiohttp.ClientResponse:
        """The head of Vast's answer, whatever its status. Raises AttemptFailed or ApiError."""
        del waiting  # Vast's own interface does that by itself
        config = call.config
        key = call.vast_key()
        url = _url(config.openai_url, endpoint, prompt.operation)
        call.outcome.url = str(url)
        return await self._client.post(
            url,
            headers(key.reveal(), accept=prompt.accept, request_id=call.request_id),
            prompt.request.pieces,
            public_context(config),
            config.timeout,
            anew=call.anew,
        )


@lru_cache(maxsize=256)
def _url(openai_url: str, endpoint: str, operation: Operation) -> URL:
    return URL(operation_url(openai_url, endpoint, operation), encoded=True)
