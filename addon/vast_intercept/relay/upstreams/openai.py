"""Vast's OpenAI interface: one URL for an endpoint, Vast does the rest (FACTS V1)."""

from functools import lru_cache, partial

from yarl import URL

from ...openai_api.operations import Operation
from ...vast_api.headers import headers
from ...vast_api.openai_interface import operation_url
from ..http_client import HttpClient
from .base import Attempt, UpstreamAnswer, explain_vast
from .tls import public_context


class OpenAIUpstream:
    """Sends calls to `openai_url`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def send(self, attempt: Attempt) -> UpstreamAnswer:
        """Vast's answer, whatever its status. Raises AttemptFailed or ApiError."""
        request = attempt.request
        call, config = request.call, request.call.config
        key = call.vast_key
        url = _url(config.openai_url, attempt.endpoint, request.operation)
        request.progress.send_to(str(url), key)
        return await self._client.post(
            url,
            headers(key.reveal(), accept=request.accept, request_id=call.request_id),
            request.pieces,
            public_context(config),
            config.timeout,
            explain=partial(explain_vast, attempt),
            new_connection=attempt.new_connection,
        )


@lru_cache(maxsize=256)
def _url(openai_url: str, endpoint: str, operation: Operation) -> URL:
    return URL(operation_url(openai_url, endpoint, operation), encoded=True)
