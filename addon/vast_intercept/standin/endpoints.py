"""The account's endpoints, each with a key of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2s


@dataclass(slots=True)
class Endpoint:
    """`listed` is the key that the console shows; usually it is the one that holds."""

    id: int
    name: str
    key: str
    listed: str
    renewals: int = 0


class Endpoints:
    """By name, in the order in which the console lists them."""

    def __init__(self, names: tuple[str, ...], account_key: str) -> None:
        self._account_key = account_key
        self._all: dict[str, Endpoint] = {}
        for name in dict.fromkeys(names):
            key = self._derived(name, 0)
            self._all[name] = Endpoint(len(self._all) + 1, name, key, key)

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._all.values())

    def get(self, name: str) -> Endpoint | None:
        """The endpoint of that name."""
        return self._all.get(name)

    def renew_key(self, endpoint: Endpoint, *, hidden: bool) -> str:
        """Gives it a new key. The old one no longer holds, but stays listed if that is hidden."""
        endpoint.renewals += 1
        endpoint.key = self._derived(endpoint.name, endpoint.renewals)
        if not hidden:
            endpoint.listed = endpoint.key
        return endpoint.key

    def _derived(self, name: str, renewal: int) -> str:
        text = f"{self._account_key}\0{name}\0{renewal}"
        return blake2s(text.encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()
