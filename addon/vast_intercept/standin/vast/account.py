"""The account: its key, and its endpoints, each with a key of its own."""

from dataclasses import dataclass
from hashlib import blake2s


@dataclass(slots=True)
class AccountEndpoint:
    """`key` opens the endpoint. `listed` is the key that the console shows: usually the same."""

    id: int
    name: str
    key: str
    listed: str
    renewals: int = 0


class Account:
    """The endpoints by name, in the order in which the console lists them."""

    def __init__(self, names: tuple[str, ...], key: str) -> None:
        self.key = key
        self.endpoints: dict[str, AccountEndpoint] = {}
        for number, name in enumerate(dict.fromkeys(names), 1):
            derived = self._derived(name, 0)
            self.endpoints[name] = AccountEndpoint(number, name, derived, derived)

    def renew_key(self, name: str, *, hidden: bool) -> str:
        """Replaces an endpoint's key. If `hidden`, the console goes on listing the old one."""
        endpoint = self.endpoints[name]
        endpoint.renewals += 1
        endpoint.key = self._derived(name, endpoint.renewals)
        if not hidden:
            endpoint.listed = endpoint.key
        return endpoint.key

    def _derived(self, name: str, renewal: int) -> str:
        text = f"{self.key}\0{name}\0{renewal}"
        return blake2s(text.encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()
