"""The rules within the jail, which are those of its network namespace, and end with it: pure."""

from collections.abc import Callable, Iterable

from .problems import JailError, missing_tool

#: Where the relay listens. No app has a reason to: 127.0.0.1 stays the app's, with all its ports.
RELAY_ADDRESS = ("127.127.127.127", 1)

type Command = tuple[list[str], str]
"""Arguments, and what is to be read from standard input."""


def redirect_rules(ports: Iterable[int], find: Callable[[str], str | None]) -> list[Command]:
    """Has TCP to these ports go to the relay, and UDP 443 refused, so that HTTP/3 falls back.

    UDP goes to the relay's port, too, where nobody takes it: an app gets what it gets from a closed
    port. `find` gives the path of a tool. Raises JailError if there is neither nft nor iptables.
    """
    wanted = sorted(ports)
    if nft := find("nft"):
        return [([nft, "-f", "-"], _nft(wanted))]
    if iptables := find("iptables"):
        return [([iptables, *arguments.split()], "") for arguments in _iptables(wanted)]
    raise JailError(missing_tool("nft", "nftables", "iptables"))


def _nft(ports: list[int]) -> str:
    address, port = RELAY_ADDRESS
    listed = ", ".join(map(str, ports))
    return f"""\
table ip vast_intercept {{
    chain output {{
        type nat hook output priority -100;
        ip daddr != 127.0.0.0/8 tcp dport {{ {listed} }} dnat to {address}:{port}
        udp dport 443 dnat to {address}:{port}
    }}
}}
"""


def _iptables(ports: list[int]) -> list[str]:
    address, port = RELAY_ADDRESS
    to_relay = f"-j DNAT --to-destination {address}:{port}"
    return [
        *(f"-t nat -A OUTPUT -p tcp ! -d 127.0.0.0/8 --dport {each} {to_relay}" for each in ports),
        f"-t nat -A OUTPUT -p udp --dport 443 {to_relay}",
    ]
