"""The rules in the firewall. They are found by name: there is no state to keep, or to lose.

With nftables everything is in one table. With iptables there are chains of our own, and jumps to
them, in two tables each for IPv4 and IPv6. A table is always changed as a whole.
"""

import re
from collections.abc import Iterable, Iterator

from vast_intercept.launch.redirection import NFT_TABLE, Chain, iptables_input, nft_table

from .choice import Choice
from .tools import ME, GatewayError, has, run, warn

#: What `--tool` can be, and the programs that each of them takes.
TOOLS = {"nft": ["nft"], "iptables": ["iptables", "ip6tables"]}

_TABLE = f"table inet {NFT_TABLE}"
# What nft says where there is no such table, or where the kernel has no nftables.
_NO_TABLE = ("No such file", "not supported", "Invalid argument")
_OURS = re.compile(f"^(:VAST_INTERCEPT_|{_TABLE} )", re.MULTILINE)
_CHAIN = re.compile("^:(VAST_INTERCEPT_[A-Z]*) ", re.MULTILINE)
_JUMP = re.compile(r"^\S+ -A (.* -j VAST_INTERCEPT_[A-Z]*)$", re.MULTILINE)
_COUNT = re.compile(r'(?:counter packets |^\[)(\d+)(?: |:\d+\] -A VAST_INTERCEPT_).*comment "(.*)"')
_PORT = re.compile(r"(?:redirect to :|--to-ports )(\d+)")


def up(tool: str, choice: Choice) -> None:
    """Loads the rules, in place of those that the tool has loaded before."""
    if tool == "nft":
        # Where there is no such table, the first line makes one for the second line to delete.
        text = f"{_TABLE}\ndelete {_TABLE}\n{nft_table('inet', choice.chains('ip', 'ip6'))}"
        complaint = "nft refused the rules (above), and nothing has changed. Linux before 5.2 needs"
        run("nft", "-f", "-", text=text, complaint=f"{complaint} --tool iptables.")
        return
    try:
        _iptables_up(choice)
    except GatewayError as error:
        warn(str(error))
        try:
            down(tool)
        except GatewayError as another:
            warn(str(another))
            raise GatewayError(f"Rules may be left. To remove them: {ME} down") from None
        raise GatewayError("Undone: iptables redirects nothing.") from None


def is_up(tool: str) -> bool:
    """Whether the tool has rules of ours loaded."""
    return any(_OURS.search(_listed(program)) for program in TOOLS[tool])


def down(tool: str) -> None:
    """Removes what is ours, and nothing else."""
    for program in TOOLS[tool]:
        if not _OURS.search(_listed(program)):
            continue
        if program == "nft":
            complaint = f"nft did not delete its table {NFT_TABLE}. It says why above."
            run("nft", "delete", *_TABLE.split(), complaint=complaint)
        else:
            _replace(program, [])


def status(tool: str) -> Iterator[str]:
    """A line for each rule: whose connections, what becomes of them, how many there were."""
    for program in TOOLS[tool]:
        for line in _listed(program).splitlines():
            if rule := _COUNT.search(line):
                count, source = rule.groups()
                what = f"UDP 443 refused, {count} packets"
                if port := _PORT.search(line):
                    what = f"TCP 443 to port {port[1]}, {count} connections"
                yield f"  {source}: {what}" + ("" if tool == "nft" else f" ({program})")


def _listed(program: str) -> str:
    """What the program lists: of nft our table only. Nothing where there is no such program."""
    command = ["nft", "list", *_TABLE.split()] if program == "nft" else [f"{program}-save", "-c"]
    succeeded, said = run(*command) if has(command[0]) else (True, "")
    if succeeded:
        return said
    if program == "nft" and any(reason in said for reason in _NO_TABLE):
        return ""
    raise GatewayError(f"{command[0]} does not work: {said}")


def _iptables_up(choice: Choice) -> None:
    for program, family in (("iptables", "ip"), ("ip6tables", "ip6")):
        if choice.values("user", "interface", family):
            works, said = run(program, "-t", "nat", "-S") if family == "ip6" else (True, "")
            if works:
                _replace(program, choice.chains(family))
            elif networks := " ".join(choice.values(family)):
                raise GatewayError(f"{program} does not work, which {networks} needs: {said}")
            else:
                warn(f"{program} does not work, so IPv6 is not redirected: {said}")
        elif _OURS.search(_listed(program)):
            _replace(program, [])


def _replace(program: str, chains: Iterable[Chain]) -> None:
    """Puts chains, or none, in the place of those of ours that are there."""
    saved = _listed(program)
    if re.search("Table .(filter|nat). is incompatible", saved):
        reason = "cannot read its tables, since nft has changed them"
        raise GatewayError(f"{program} {reason}. Use --tool nft.")
    tables = {
        table: [*_removal(saved, table), *_lines([each for each in chains if each.kind == table])]
        for table in ("filter", "nat")
    }
    restore = f"{program}-restore"
    complaint = f"{restore} refused the rules. It says why above."
    run(restore, "-w", "10", "--noflush", text=iptables_input(tables), complaint=complaint)


def _removal(saved: str, table: str) -> Iterator[str]:
    """The lines that take what is ours out of a table."""
    in_table = f"\n{saved}".partition(f"\n*{table}\n")[2].partition("\nCOMMIT")[0]
    chains = _CHAIN.findall(in_table)
    yield from (f"-F {chain}" for chain in chains)
    yield from (f"-D {jump}" for jump in _JUMP.findall(in_table))
    yield from (f"-X {chain}" for chain in chains)


def _lines(chains: Iterable[Chain]) -> Iterator[str]:
    """The lines that make chains in a table, with jumps to them before all other rules."""
    ends = {"output": "SENT", "prerouting": "ROUTED", "forward": "ROUTED"}
    named = {f"VAST_INTERCEPT_{ends[chain.hook]}": chain for chain in chains}
    yield from (f":{name} - [0:0]" for name in named)
    for name, chain in named.items():
        for rule in chain.rules:
            yield from rule.for_iptables(name)
        yield f"-I {chain.hook.upper()} -m comment --comment vast-intercept -j {name}"
