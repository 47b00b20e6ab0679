"""Who may use the proxy, and as whom."""

from collections.abc import Iterable

from ..addresses import Address
from ..config import ClientKey, Network
from ..openai_api.errors import ApiError
from ..secret import mask, same_hash, sha256_of


def is_allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Whether a client's address is in one of the networks of `clients.allow_from`."""
    return any(address in network for network in networks)


def name_of_client(key: str | None, known: Iterable[ClientKey]) -> str | None:
    """The name that `clients.keys` has for an app's key, or None. In constant time."""
    found = None
    digest = sha256_of(key or "")
    for client in known:
        if same_hash(client.sha256, digest) and key:
            found = client.name
    return found


def invalid_api_key(key: str | None) -> ApiError:
    """OpenAI's 401, for an app whose key is not listed."""
    what = f"Incorrect API key provided: {mask(key)}." if key else "You didn't provide an API key."
    return ApiError(
        401,
        f"{what} This interceptor serves only apps whose key is listed, as its SHA-256, in"
        " clients.keys of its configuration.",
        "invalid_request_error",
        "invalid_api_key",
    )
