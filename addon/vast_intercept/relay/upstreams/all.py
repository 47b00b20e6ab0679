"""All upstreams, over one HTTP client."""

from pathlib import Path

from ...config import UpstreamKind
from ..http_client import HttpClient, UpstreamProxy
from .base import Upstream
from .machine import MachineUpstream
from .openai import OpenAIUpstream
from .provider import ProviderUpstream, RefusedProvider
from .serverless.serverless import ServerlessUpstream
from .trust import VastTrust


class Upstreams:
    """The upstreams by their kinds. What was fetched of Vast is kept in `folder`.

    In a rehearsal no provider is called.
    """

    def __init__(self, folder: Path, proxy: UpstreamProxy, *, rehearsing: bool = False) -> None:
        self._client = HttpClient(proxy)
        trust = VastTrust(self._client, folder)
        self._serverless = ServerlessUpstream(self._client, trust)
        self.by_kind: dict[UpstreamKind, Upstream] = {
            UpstreamKind.OPENAI: OpenAIUpstream(self._client),
            UpstreamKind.SERVERLESS: self._serverless,
            UpstreamKind.MACHINE: MachineUpstream(self._client, trust),
            UpstreamKind.PROVIDER: (
                RefusedProvider() if rehearsing else ProviderUpstream(self._client)
            ),
        }

    async def close(self) -> None:
        """Ends what runs beside the calls, and closes the connections."""
        await self._serverless.close()
        await self._client.close()
