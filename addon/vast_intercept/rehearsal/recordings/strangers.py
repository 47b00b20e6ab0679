"""Whose call it is: those that go to no provider are counted, and not read."""

from collections import Counter
from collections.abc import Iterable

from ...config import Provider, built_in_providers, find_provider
from ...secret import mask_shapes
from ..calls import Unusable

# Hosts that are counted one by one, and those that are named.
_MAX_HOSTS = 1_000
_NAMED = 3
_LONGEST_NAME = 80


class Strangers:
    """The table of providers, and how many calls of a recording go to none of them."""

    def __init__(self, providers: Iterable[Provider] | None = None) -> None:
        self.providers = tuple(built_in_providers().values() if providers is None else providers)
        self._hosts: Counter[str] = Counter()
        self._calls = 0

    def has(self, host: str, port: int) -> bool:
        """Whether the host is no provider's. Its call is counted then."""
        if find_provider(self.providers, host, port):
            return False
        self.count(host)
        return True

    def count(self, host: str) -> None:
        """Counts a call to a host that is no provider's."""
        self._calls += 1
        if host in self._hosts or len(self._hosts) < _MAX_HOSTS:
            self._hosts[host] += 1

    def told(self) -> Unusable | None:
        """All of them in one; None if there are none."""
        if not self._calls:
            return None
        names = [
            mask_shapes(ascii(host)[1:-1][:_LONGEST_NAME])
            for host, _ in self._hosts.most_common(_NAMED)
        ]
        if len(self._hosts) > _NAMED:
            names.append("others")
        why = f"They go to hosts that are no provider's: {', '.join(names)}."
        if any(find_provider(built_in_providers().values(), host, 443) for host in self._hosts):
            why = (
                f"They go to hosts that are not taken over: {', '.join(names)}. List those under"
                " `providers` in the configuration that are to be."
            )
        calls = "1 call" if self._calls == 1 else f"{self._calls:,} calls"
        return Unusable(place=calls, why=why, calls=self._calls)
