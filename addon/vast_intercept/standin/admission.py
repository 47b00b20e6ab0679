"""Which calls a worker lets in: those that the router signed, each once."""

from typing import Any

from .signing import Signer

_REMEMBERED = 100_000


class Admission:
    """One for all workers, which count together what they refuse.

    A URL's signature is always the same, so that it is the `reqnum` by which a route that was used
    before is known.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._used: dict[str, None] = {}
        self.reused = 0
        self.unsigned = 0

    async def admits(self, auth_data: dict[str, Any]) -> bool:
        """Whether it is let in. The next call with the same is not."""
        if not await self._signer.verify(auth_data["url"], auth_data["signature"]):
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
