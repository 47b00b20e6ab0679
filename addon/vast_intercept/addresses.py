"""IP addresses, as sockets and URLs give them, and which of them are this machine's."""

import ipaddress

import psutil

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IPv6 addresses whose last 32 bits are an IPv4 address: IPv4-compatible (RFC 4291, section 2.5.5.1)
# and NAT64 (RFC 6052, RFC 8215).
_ENDS_IN_IPV4 = tuple(map(ipaddress.IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48")))


def parse_address(text: str) -> Address | None:
    """An IP address as sockets give it (with a zone, or IPv4 within IPv6), or None for a name."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def reaches_loopback(address: Address) -> bool:
    """Whether connecting to the address ends at a service that listens on loopback only.

    Linux takes the unspecified address (0.0.0.0, ::) for loopback when it connects.
    """
    return any(each.is_loopback or each.is_unspecified for each in _meanings(address))


def is_loopback_name(host: str) -> bool:
    """Whether a host is surely this machine, where nobody else can read what is sent."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_this_machine(address: Address) -> bool:
    """Whether connecting to the address ends at this machine, or at what only this link has."""
    own = {
        parse_address(entry.address) for each in psutil.net_if_addrs().values() for entry in each
    }
    return reaches_loopback(address) or any(
        each.is_link_local or each in own for each in _meanings(address)
    )


def _meanings(address: Address) -> list[Address]:
    """The address, and the IPv4 address that it stands for, if any."""
    meanings: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _ENDS_IN_IPV4):
            meanings.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if within := address.ipv4_mapped or address.sixtofour:
            meanings.append(within)
    return meanings
