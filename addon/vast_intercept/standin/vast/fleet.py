"""All workers: the stand-in's own, and real ones that report to it."""

import asyncio

from ..answering import Json
from .own_worker import OwnWorker
from .registered import RegisteredWorkers


class Fleet:
    """The own workers are numbered through all endpoints, in the order of the endpoints."""

    def __init__(self, own: list[OwnWorker]) -> None:
        self.own = own
        self.registered = RegisteredWorkers()

    async def start(self) -> None:
        """Has the own workers listen. Raises OSError if there are no ports."""
        for worker in self.own:
            await worker.listener.open()

    def close(self) -> list[asyncio.Server]:
        """Ends all own workers at once. Returns their servers, whose end can be waited for."""
        return [closed for worker in self.own if (closed := worker.close())]

    def ready(self, endpoint: str) -> list[str]:
        """The URLs of the workers that the router may choose."""
        own = [each for each in self.own if each.listed and each.endpoint == endpoint]
        return [each.listener.url for each in own] + [
            each.url for each in self.registered.of(endpoint)
        ]

    def connections(self) -> dict[str, Json]:
        """The numbers of TCP connections to own workers: in total, and open now."""
        counts = [worker.listener.connections for worker in self.own]
        return {
            "worker_connections": sum(accepted for accepted, _ in counts),
            "open_worker_connections": sum(still_open for _, still_open in counts),
        }

    def to_json(self) -> Json:
        """The workers, as the control interface shows them."""
        return [worker.to_json() for worker in self.own] + self.registered.to_json()
