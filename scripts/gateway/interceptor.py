"""The interceptor on this machine: whether it runs, and what it and the machine must be like."""

import sys
from pathlib import Path

from .choice import Choice
from .tools import GatewayError, run, warn

_LISTENING = "0A"  # include/net/tcp_states.h


def check(choice: Choice) -> bool:
    """Whether something listens on the port. Raises GatewayError if that must not stay so.

    What the interceptor sends must not be redirected to itself. It is told from what the chosen
    users send by the user that it runs as.
    """
    port, users, listeners = choice.port, choice.values("user"), _listeners(choice.port)
    if users and not listeners:
        print(how_to_serve(choice), file=sys.stderr)
        raise GatewayError(
            f"Nothing listens on port {port}. With --user, start the interceptor first, as a user"
            " that is not chosen: else its own connections would come back to it."
        )
    for user in listeners.intersection(users):
        raise GatewayError(
            f"What listens on port {port} runs as user {user}: its own connections would come back"
            " to it. Run the interceptor as another user."
        )
    return bool(listeners)


def how_to_serve(choice: Choice) -> str:
    """The command that starts an interceptor that fits, and its configuration."""
    interfaces, networks = choice.values("interface"), choice.values("ip", "ip6")
    # A redirected app keeps the address that it would have had on its way out. It may change within
    # its network (IPv6), which does no harm to allow where the interceptor is on loopback only.
    own = _addresses() if choice.values("user") else []
    modes = f"--mode transparent@127.0.0.1:{choice.port}"
    if interfaces or networks:
        modes = f"--mode transparent@:{choice.port}"
        own = [address.partition("/")[0] for address in own]
    elif _read("/proc/net/if_inet6"):
        modes += f" --mode transparent@::1:{choice.port}"
    own += [address for interface in interfaces for address in _addresses(interface)]
    allowed = ", ".join(["127.0.0.0/8", *(f'"{each}"' for each in ("::1", *own, *networks))])
    return f"""\
The interceptor that fits:
  ./scripts/serve {modes}
with this in its configuration:
  clients: {{allow_from: [{allowed}]}}"""


def warn_of_routing(choice: Choice) -> None:
    """Warns if connections that are not redirected go nowhere."""
    interfaces = choice.values("interface")
    has_ipv6 = any(":" in "".join(_addresses(interface)) for interface in interfaces)
    for sysctl, concerned in (
        ("net.ipv4.ip_forward", interfaces or choice.values("ip")),
        ("net.ipv6.conf.all.forwarding", has_ipv6 or choice.values("ip6")),
    ):
        # Where IPv6 is switched off, there is no such file.
        if concerned and _read(f"/proc/sys/{sysctl.replace('.', '/')}") == "0\n":
            way = f"To have it routed: sysctl -w {sysctl}=1"
            warn(f"What is not redirected is not routed either. {way}")


def _listeners(port: int) -> set[str]:
    """The ids of the users that listen on the port."""
    lines = (_read("/proc/net/tcp") + _read("/proc/net/tcp6")).splitlines()
    listening = [line.split() for line in lines if f":{port:04X} " in line]
    return {columns[7] for columns in listening if columns[3] == _LISTENING}


def _addresses(interface: str = "") -> list[str]:
    """The global addresses of an interface, or of all: each with the length of its network."""
    selected = ["dev", interface] if interface else []
    _, listed = run("ip", "-o", "address", "show", *selected, "scope", "global")
    lines = [line.split() for line in listed.splitlines()]
    return [words[3] for words in lines if len(words) > 3 and words[2] in {"inet", "inet6"}]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError:
        return ""
