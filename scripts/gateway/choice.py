"""Whose connections are redirected, and to which port: what the options of `up` say.

All of it ends up in rules that root loads, so every character is checked.
"""

import ipaddress
import pwd
import re
import socket
from collections.abc import Iterable

from vast_intercept.launch.redirection import Chain, Rule, Words

from .tools import UsageError

_OPTIONS = {  # what is said where a value cannot be understood
    "--port": "is not a port (1 to 65535).",
    "--user": "is nobody on this machine; getent passwd lists its users.",
    "--interface": "is no interface of this machine; ip link lists them.",
    "--from": "is no network or address, such as 10.1.0.0/24 or fd00:1::/64.",
    "--tool": "is neither nft nor iptables.",
}
_SOURCES = {  # what each kind is called, and the condition that its packets meet
    "user": ("user", "meta skuid {}", "-m owner --uid-owner {}"),
    "interface": ("interface", 'iifname "{}"', "-i {}"),
    "ip": ("from", "ip saddr {}", "-s {}"),
    "ip6": ("from", "ip6 saddr {}", "-s {}"),
}
_REFUSE = Words("counter reject", "-j REJECT")
# What is addressed to this machine itself is left alone.
_LEAVE_LOCAL = Words("fib daddr type local return", "-m addrtype --dst-type LOCAL -j RETURN")


class Choice:
    """The options of `up`. The kinds of values are user, interface, ip (IPv4 networks) and ip6."""

    def __init__(self, arguments: Iterable[str]) -> None:
        """Raises UsageError."""
        self._values: dict[str, list[str]] = {kind: [] for kind in ("port", "tool", *_SOURCES)}
        words = iter(arguments)
        for option in words:
            if option not in _OPTIONS:
                raise UsageError(f"'{option}' is not an option of up.")
            value = next(words, None)
            if value is None:
                raise UsageError(f"{option} needs a value.")
            try:
                kind, understood = _read(option, value)
            except (KeyError, OSError, ValueError):
                raise UsageError(f"{option} '{value}' {_OPTIONS[option]}") from None
            self._values[kind].append(understood)
        if not self.values(*_SOURCES):
            options = "--user, --interface, --from"
            raise UsageError(f"up needs to know whose connections: at least one of {options}.")
        self.port = int(["8080", *self.values("port")][-1])
        #: nft or iptables, or empty if the user did not choose.
        self.tool = ["", *self.values("tool")][-1]

    def values(self, *kinds: str) -> list[str]:
        """The values of these kinds."""
        return [value for kind in kinds for value in self._values[kind]]

    def sources(self, *kinds: str) -> dict[str, Words]:
        """Names, such as `user 1000`, and conditions of packets: of these kinds, or of all."""
        return {
            f"{name} {value}": Words(nft.format(value), iptables.format(value))
            for kind, (name, nft, iptables) in _SOURCES.items()
            for value in self.values(kind)
            if kind in (kinds or _SOURCES)
        }

    def chains(self, *families: str) -> list[Chain]:
        """The rules for what was chosen; of the networks, for those of the families ip or ip6."""
        sent, routed = self.sources("user"), self.sources("interface", *families)
        redirect = Words(f"counter redirect to :{self.port}", f"-j REDIRECT --to-ports {self.port}")

        def rules(protocol: str, action: Words, sources: dict[str, Words]) -> list[Rule]:
            made = [Rule(protocol, [443], action, sources[name], name) for name in sources]
            return [Rule(protocol, [443], _LEAVE_LOCAL), *made]

        return [
            Chain("redirect_sent", "nat", "output", rules("tcp", redirect, sent)),
            Chain("redirect_routed", "nat", "prerouting", rules("tcp", redirect, routed)),
            Chain("refuse_sent", "filter", "output", rules("udp", _REFUSE, sent)),
            # Nothing that is forwarded is addressed to this machine.
            Chain("refuse_routed", "filter", "forward", rules("udp", _REFUSE, routed)[1:]),
        ]


def _read(option: str, text: str) -> tuple[str, str]:
    """The kind of an option's value, and the value.

    Raises KeyError, OSError or ValueError if the option cannot have this value.
    """
    if option == "--port":
        return "port", _number(text, 1, 65535)
    if option == "--tool":
        return "tool", {"nft": "nft", "iptables": "iptables"}[text]
    if option == "--user":
        try:
            user = pwd.getpwnam(text)
        except KeyError:
            user = pwd.getpwuid(int(text))
        return "user", str(user.pw_uid)
    if option == "--interface":
        if text == "lo":
            raise UsageError("--interface lo has only what this machine sends itself; use --user.")
        if not re.fullmatch("[A-Za-z0-9_.][A-Za-z0-9_.-]*", text):
            raise ValueError
        socket.if_nametoindex(text)
        return "interface", text
    address, slash, length = text.partition("/")
    if not re.fullmatch("[0-9.]+|[0-9A-Fa-f:]+", address):
        raise ValueError  # such as fe80::1%lo and ::ffff:10.0.0.1
    is_ipv4 = ipaddress.ip_address(address).version == 4
    if slash:
        _number(length, 0, 32 if is_ipv4 else 128)
    return "ip" if is_ipv4 else "ip6", text


def _number(text: str, smallest: int, largest: int) -> str:
    if not re.fullmatch("0|[1-9][0-9]{0,4}", text) or not smallest <= int(text) <= largest:
        raise ValueError
    return text
