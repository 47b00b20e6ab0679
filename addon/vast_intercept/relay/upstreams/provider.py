"""The provider that the app meant: what a route may fall back to, with the app's own key."""

from multidict import CIMultiDict
from yarl import URL

from ...openai_api.errors import ApiError, from_provider
from ..failures import not_rehearsed
from ..http_client import HttpClient
from .base import Attempt, UpstreamAnswer
from .tls import public_context


class ProviderUpstream:
    """Sends calls on as the app made them."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def send(self, attempt: Attempt) -> UpstreamAnswer:
        """The provider's answer, whatever its status. Raises AttemptFailed or ApiError."""
        progress = attempt.request.progress
        call = progress.call
        provider = call.provider
        assert provider
        progress.send_to(provider.shown_url, *provider.keys)

        def explain(status: int, body: bytes) -> ApiError:
            return from_provider(status, body, name=provider.name, redact=progress.keys.redact)

        return await self._client.post(
            URL(provider.url, encoded=True),
            CIMultiDict(provider.headers),
            [attempt.request.original],
            public_context(call.config),
            call.config.timeout,
            explain=explain,
            new_connection=attempt.new_connection,
            for_another_machine=call.from_another_machine,
        )


class RefusedProvider:
    """Stands for the provider in a rehearsal, where recorded calls are made to try Vast."""

    async def send(self, attempt: Attempt) -> UpstreamAnswer:
        """Raises ApiError: the call would go to the provider."""
        progress = attempt.request.progress
        provider = progress.call.provider
        assert provider
        failed = f" after this failure: {progress.failure.message}" if progress.failure else ""
        raise not_rehearsed(f"to {provider.name}{failed}")
