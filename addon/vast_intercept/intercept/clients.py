"""Who may use the proxy, and what for."""

import ipaddress
from collections.abc import Iterable

from ..config_checks import Network
from ..config_file import ClientKey
from ..openai_api.errors import ApiError
from ..secret import mask, same_hash, sha256_of

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: str) -> Address | None:
    """An IP address as sockets give it (with a zone, or IPv4 within IPv6), or None for a name."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def is_allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Whether a client's address is in one of the networks of `clients.allow_from`."""
    return any(address in network for network in networks)


def reaches_this_machine(address: Address) -> bool:
    """Whether connecting to the address ends at a service that listens on loopback only.

    Linux takes the unspecified address (0.0.0.0, ::) for loopback when it connects.
    """
    return address.is_loopback or address.is_unspecified


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
