"""The console: the account's endpoints, its instances, and the root of workers' certificates."""

from dataclasses import dataclass
from typing import Any

import msgspec

from ..secret import Secret, is_sendable
from .answers import UnreadableError, decode

#: The largest list of endpoints, and the largest root certificate, in bytes.
LARGEST_LIST = 16 * 1024 * 1024
LARGEST_ROOT = 256 * 1024
#: The largest description of an instance, and the highest price that is believed: dollars an hour.
LARGEST_INSTANCE = 1024 * 1024
HIGHEST_PRICE = 10_000.0


@dataclass(frozen=True, slots=True)
class ListedEndpoint:
    """An endpoint of the account, with its own key if a usable one is listed (FACTS V2)."""

    id: Any
    name: str
    key: Secret | None


class _Entry(msgspec.Struct):
    id: Any = None
    endpoint_name: str | None = None
    api_key: str | None = None


class _List(msgspec.Struct):
    results: list[_Entry]


class _Instance(msgspec.Struct):
    dph_total: float | None = None


class _ShownInstance(msgspec.Struct):
    instances: _Instance | None


_list = msgspec.json.Decoder(_List)
_instance = msgspec.json.Decoder(_ShownInstance)


def endpoints_url(console_url: str) -> str:
    """The URL that lists the account's endpoints. It needs the account's key (FACTS V2)."""
    return f"{console_url}/api/v0/endptjobs/?client_id=me"


def read_endpoints(status: int, body: bytes) -> dict[str, ListedEndpoint]:
    """The account's endpoints by name. Raises UnreadableError."""
    if status != 200:
        raise UnreadableError(f"status {status}")
    endpoints = {}
    for entry in decode(body, _list).results:
        if name := entry.endpoint_name:
            text = entry.api_key or ""
            key = Secret(text) if is_sendable(text) else None
            endpoints[name] = ListedEndpoint(entry.id, name, key)
    return endpoints


def root_url(console_url: str) -> str:
    """The URL of the root of the workers' certificates (FACTS V8)."""
    return f"{console_url}/static/jvastai_root.cer"


def instance_url(console_url: str, instance: int) -> str:
    """The URL that shows an instance, such as a worker. It needs the account's key (FACTS V69)."""
    return f"{console_url}/api/v0/instances/{instance}/?owner=me"


def read_price_per_hour(status: int, body: bytes) -> float:
    """What an instance costs: US dollars an hour while it runs. Raises UnreadableError."""
    if status != 200:
        raise UnreadableError(f"status {status}")
    shown = decode(body, _instance).instances
    if shown is None:
        raise UnreadableError("no such instance")
    if shown.dph_total is None or not 0 <= shown.dph_total <= HIGHEST_PRICE:
        raise UnreadableError("no usable dph_total")
    return shown.dph_total
