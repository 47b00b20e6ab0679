"""The firewall rules in the jail. They belong to its network namespace, and end with it: pure."""

from collections.abc import Callable, Iterable

from ..redirection import Chain, Rule, Words, iptables_input, nft_table
from .problems import JailError, missing_tool

#: Where the forwarder listens. All ports of 127.0.0.1 are left to the app.
FORWARDER_ADDRESS = ("127.127.127.127", 1)

_ADDRESS = "{}:{}".format(*FORWARDER_ADDRESS)
_TO_FORWARDER = Words(f"dnat to {_ADDRESS}", f"-j DNAT --to-destination {_ADDRESS}")
_NOT_TO_LOOPBACK = Words("ip daddr != 127.0.0.0/8", "! -d 127.0.0.0/8")


def redirect_command(
    ports: Iterable[int], find: Callable[[str], str | None]
) -> tuple[list[str], str]:
    """The command that loads the rules: its arguments, and what it reads from standard input.

    TCP to `ports` is redirected to the forwarder. UDP to port 443 is sent to the forwarder's port,
    too, which is closed for UDP: HTTP/3 is refused at once, and the app falls back to TCP. `find`
    gives the path of a tool, or None. Raises JailError if there is neither nft nor iptables.
    """
    rules = [
        Rule("tcp", sorted(ports), _TO_FORWARDER, _NOT_TO_LOOPBACK),
        Rule("udp", [443], _TO_FORWARDER),
    ]
    if nft := find("nft"):
        return [nft, "-f", "-"], nft_table("ip", [Chain("output", "nat", "output", rules)])
    if iptables := find("iptables-restore"):
        lines = [line for rule in rules for line in rule.for_iptables("OUTPUT")]
        return [iptables, "--noflush"], iptables_input({"nat": lines})
    raise JailError(missing_tool("nft", "nftables", "iptables"))
