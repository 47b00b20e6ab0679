"""The provider that the app meant: what a route may fall back to, with the app's own key."""

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ...openai_api.errors import ApiError, from_provider
from ..call import Call, Prompt, Waiting
from ..http_client import HttpClient
from .tls import public_context


class ProviderInterface:
    """Sends calls on as the app made them."""

    @staticmethod
    def explain(status: int, body: bytes, call: Call) -> ApiError:
        """The provider's error, in its own words."""
        name = call.outcome.endpoint or ""
        return from_provider(status, body, name=name, redact=call.redact)

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def send(
        self, call: Call, endpoint: str, prompt: Prompt, waiting: Waiting
    ) -> aiohttp.ClientResponse:
        """The head of the provider's answer, whatever its status. Raises AttemptFailed."""
        del endpoint, waiting
        assert call.provider
        call.outcome.url = call.provider.shown_url
        for key in call.provider.keys:
            call.sent(key)
        return await self._client.post(
            URL(call.provider.url, encoded=True),
            CIMultiDict(call.provider.headers),
            [prompt.original],
            public_context(call.config),
            call.config.timeout,
            anew=call.anew,
            for_another_machine=call.from_another_machine,
        )
