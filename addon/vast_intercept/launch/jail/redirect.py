"""The rules within the jail. They belong to its network namespace, and end with it: pure."""

from collections.abc import Callable, Iterable

from ..redirection import Chain, Rule, Words, iptables_input, nft_table
from .problems import JailError, missing_tool

#: Where the relay listens. No app has a reason to: 127.0.0.1 stays the app's, with all its ports.
RELAY_ADDRESS = ("127.127.127.127", 1)

_TO_RELAY = Words(
    "dnat to {}:{}".format(*RELAY_ADDRESS), "-j DNAT --to-destination {}:{}".format(*RELAY_ADDRESS)
)
_NOT_TO_LOOPBACK = Words("ip daddr != 127.0.0.0/8", "! -d 127.0.0.0/8")

type Command = tuple[list[str], str]
"""A command's arguments, and what it reads from standard input."""


def redirect_command(ports: Iterable[int], find: Callable[[str], str | None]) -> Command:
    """The command that redirects TCP to `ports` to the relay, and refuses UDP to port 443.

    UDP goes to the relay's port, too, which is closed for UDP: the app's HTTP/3 fails at once and
    falls back to TCP. `find` gives the path of a tool, or None. Raises JailError if there is
    neither nft nor iptables.
    """
    rules = [
        Rule("tcp", sorted(ports), _TO_RELAY, _NOT_TO_LOOPBACK),
        Rule("udp", [443], _TO_RELAY),
    ]
    if nft := find("nft"):
        return [nft, "-f", "-"], nft_table("ip", [Chain("output", "nat", "output", rules)])
    if iptables := find("iptables-restore"):
        lines = [line for rule in rules for line in rule.for_iptables("OUTPUT")]
        return [iptables, "--noflush"], iptables_input({"nat": lines})
    raise JailError(missing_tool("nft", "nftables", "iptables"))
