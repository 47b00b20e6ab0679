"""Which clients may connect, and which client a key belongs to."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..addresses import Address
from ..config import ClientKey, Network
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_request
from ..secret import mask, same_hash, sha256_of


def is_allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Whether a client's address is in one of the networks of `clients.allow_from`."""
    return any(address in network for network in networks)


@dataclass(frozen=True, slots=True)
class Client:
    """The client that makes a call, identified by the keys in `clients.keys`."""

    #: None if the key is not listed, or none are.
    name: str | None = None
    #: The app's key, masked; empty if there is none.
    shown_key: str = ""
    #: False if keys are listed, and the app's is not one of them.
    may_call: bool = True


#: The client where `clients.keys` lists nobody, or where the call is a person's own.
ANYBODY = Client()


def client_of(key: str | None, known: Iterable[ClientKey]) -> Client:
    """Finds the client that a key belongs to. `known` is not empty. Takes constant time."""
    name = None
    digest = sha256_of(key or "")
    for client in known:
        if same_hash(client.sha256, digest) and key:
            name = client.name
    return Client(name, mask(key) if key else "", may_call=name is not None)


def invalid_api_key(client: Client) -> ApiError:
    """OpenAI's 401, for an app whose key is not listed."""
    shown = client.shown_key
    what = f"Incorrect API key provided: {shown}." if shown else "You didn't provide an API key."
    return bad_request(
        f"{what} This interceptor serves only apps whose key is listed, as its SHA-256, in"
        " clients.keys of its configuration.",
        ErrorCode.INVALID_API_KEY,
        status=401,
    )
