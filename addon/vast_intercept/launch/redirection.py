"""Firewall rules that redirect ports, written for nftables and for iptables: pure.

The jail loads them for the app in it, `scripts/transparent` for users of a machine and networks
behind it: with no packages, and perhaps no newer Python than 3.9.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

#: The nftables table that holds all our rules.
NFT_TABLE = "vast_intercept"
_PRIORITIES = {"nat": -100, "filter": 0}


class Words(NamedTuple):
    """A part of a rule, in the syntax of each tool."""

    nft: str
    iptables: str


class Rule(NamedTuple):
    """What becomes of packets of a protocol (`tcp` or `udp`) that are sent to some ports.

    `whose` is a further condition that packets must meet. The firewall shows `comment`.
    """

    protocol: str
    ports: Sequence[int]
    action: Words
    whose: Words = Words("", "")
    comment: str = ""

    def for_nft(self) -> str:
        """The rule as a line in a chain of nftables."""
        ports = ", ".join(map(str, self.ports))
        several = f"{{ {ports} }}" if len(self.ports) > 1 else ports
        comment = self.comment and f'comment "{self.comment}"'
        return f"{self.whose.nft} {self.protocol} dport {several} {self.action.nft} {comment}"

    def for_iptables(self, chain: str) -> list[str]:
        """The lines, one for each port, that append the rule to a chain of iptables."""
        condition = f"-A {chain} {self.whose.iptables} -p {self.protocol}"
        comment = self.comment and f'-m comment --comment "{self.comment}"'
        action = f"{comment} {self.action.iptables}"
        return [f"{condition} --dport {port} {action}" for port in self.ports]


class Chain(NamedTuple):
    """Rules at one of the firewall's hooks. `kind` is `nat` or `filter`."""

    name: str
    kind: str
    hook: str
    rules: Sequence[Rule]


def nft_table(family: str, chains: Iterable[Chain]) -> str:
    """The input of `nft -f` that makes our table. `family` is `ip` (IPv4) or `inet` (both)."""
    lines = [f"table {family} {NFT_TABLE} {{"]
    for chain in chains:
        priority = _PRIORITIES[chain.kind]
        lines += [f"chain {chain.name} {{ type {chain.kind} hook {chain.hook} priority {priority}"]
        lines += [*(rule.for_nft() for rule in chain.rules), "}"]
    return "\n".join([*lines, "}\n"])


def iptables_input(tables: Mapping[str, Iterable[str]]) -> str:
    """The input of `iptables-restore` that changes each table at once, by the lines for it."""
    return "".join("\n".join([f"*{name}", *tables[name], "COMMIT\n"]) for name in tables)
