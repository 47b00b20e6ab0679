"""Decides which calls a worker admits: those that the router signed, each once."""

from dataclasses import dataclass, field
from typing import Any

from .route_signing import RouteSigner

_REMEMBERED = 100_000


@dataclass(slots=True)
class Admission:
    """Admits calls for all workers, and counts what they refuse together.

    The signature of a URL is always the same, so that a used route is known by its `reqnum`.
    """

    signer: RouteSigner
    reused: int = 0
    unsigned: int = 0
    _used: dict[str, None] = field(default_factory=dict)

    async def admits(self, auth_data: dict[str, Any]) -> bool:
        """Whether a call is admitted. The next call with the same `reqnum` is not."""
        if not await self.signer.verify(auth_data["url"], auth_data["signature"]):
            self.unsigned += 1
            return False
        reqnum = str(auth_data["reqnum"])
        if reqnum in self._used:
            self.reused += 1
            return False
        self._used[reqnum] = None
        if len(self._used) > _REMEMBERED:
            del self._used[next(iter(self._used))]
        return True
