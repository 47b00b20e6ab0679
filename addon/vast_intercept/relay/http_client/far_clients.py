"""Connections for apps on other machines, which never end at this one."""

import socket
from typing import Any

from yarl import URL

from ...addresses import is_this_machine, parse_address
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway


class ThisMachineError(OSError):
    """The address leads to this machine. The text is the same for every address (see aiohttp)."""


def make_socket(address_info: tuple[Any, ...]) -> socket.socket:
    """Makes the socket for a connection to an address that was resolved.

    aiohttp calls it right before it connects the socket to that same address (FACTS M49). Raises
    ThisMachineError if the address is this machine's.
    """
    family, kind, protocol, _, address = address_info
    found = parse_address(str(address[0]))
    if found is None or is_this_machine(found):
        raise ThisMachineError("leads to the machine of the interceptor")
    return socket.socket(family, kind, protocol)


def names_this_machine(url: URL) -> bool:
    """Whether the URL says so itself, with nothing to resolve."""
    host = (url.host or "").rstrip(".")
    found = parse_address(host)
    return is_this_machine(found) if found else f".{host}".endswith(".localhost")


def refused(host: str) -> ApiError:
    """The answer to a call that would have gone to this machine."""
    return bad_gateway(
        f"{host!r} leads to the machine of the interceptor, whose services are not for other"
        " machines.",
        ErrorCode.FORBIDDEN_ADDRESS,
        retry=False,
    )
