"""The console: the account's endpoints, and the root of the workers' certificates."""

import msgspec

from .answers import UnreadableError, decode

#: The largest list of endpoints, and the largest root certificate, in bytes.
LARGEST_LIST = 16 * 1024 * 1024
LARGEST_ROOT = 256 * 1024


class ListedEndpoint(msgspec.Struct):
    """An endpoint of the account. Each has a key of its own (FACTS V2)."""

    id: int | str | None = None
    endpoint_name: str | None = None
    api_key: str | None = None


class _List(msgspec.Struct):
    results: list[ListedEndpoint]


_list = msgspec.json.Decoder(_List)


def endpoints_url(console_url: str) -> str:
    """The URL that lists the account's endpoints. It needs the account's key (FACTS V2)."""
    return f"{console_url}/api/v0/endptjobs/?client_id=me"


def read_endpoints(status: int, body: bytes) -> dict[str, ListedEndpoint]:
    """The account's endpoints by name. Raises UnreadableError."""
    if status != 200:
        raise UnreadableError(f"status {status}")
    listed = decode(body, _list).results
    return {each.endpoint_name: each for each in listed if each.endpoint_name}


def root_url(console_url: str) -> str:
    """The URL of the root of the workers' certificates (FACTS V8)."""
    return f"{console_url}/static/jvastai_root.cer"
