"""All workers: the stand-in's own, and real ones that report."""

import asyncio

from .registered import RegisteredWorkers
from .schema import Json
from .worker import Worker


class Fleet:
    """The own workers have numbers: those of the first endpoint, then those of the next."""

    def __init__(self, own: list[Worker]) -> None:
        self.own = own
        self.registered = RegisteredWorkers()

    async def start(self) -> None:
        """Raises OSError if there are no ports."""
        for worker in self.own:
            await worker.listener.open()

    def close(self) -> list[asyncio.Server]:
        """Ends everything at once. What it returns can be waited for."""
        return [closed for worker in self.own if (closed := worker.close())]

    def ready(self, endpoint: str) -> list[str]:
        """The URLs that the router gives out."""
        own = [worker.url for worker in self.own if worker.listed and worker.endpoint == endpoint]
        return own + self.registered.urls(endpoint)

    def connections(self) -> dict[str, Json]:
        """Numbers of TCP connections, ever and now."""
        listeners = [worker.listener for worker in self.own]
        return {
            "worker_connections": sum(listener.accepted for listener in listeners),
            "open_worker_connections": sum(listener.open_connections for listener in listeners),
        }

    def to_json(self) -> Json:
        """As the control interface shows them."""
        return [worker.to_json() for worker in self.own] + self.registered.to_json()
