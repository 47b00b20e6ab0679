"""Usage: {me} up [--port PORT] [--user NAME|UID]... [--interface NAME]... [--from NETWORK]...
                      [--tool nft|iptables]
       {me} down
       {me} status

Redirects TCP port 443 to an interceptor in transparent mode on this machine, and refuses UDP port
443, for users of this machine and for connections that are routed through it. Needs root.

  up                 Redirect what the options name. It replaces an earlier `up`.
  down               Remove the redirection. All other firewall rules stay as they are.
  status             Say what is redirected. The exit code is 3 if nothing is.

  --port PORT        Port that the interceptor listens on (8080).
  --user NAME|UID    Redirect this user. The interceptor must run as another one.
  --interface NAME   Redirect what comes in through this network interface.
  --from NETWORK     Redirect what comes from this network (10.1.0.0/24, fd00:1::/64) or address.
  --tool NAME        nft or iptables. Default: nft, or iptables if there is no nft.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "addon"))

from gateway import firewall, interceptor
from gateway.choice import Choice
from gateway.tools import ME, GatewayError, UsageError, has, warn


def main(*arguments: str) -> int:
    """Runs a command. Returns its exit code."""
    # The tools have to speak English, and are not on everyone's PATH.
    os.environ.update(LC_ALL="C", PATH=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupted)
    if {"-h", "--help"}.intersection(arguments):
        print(str(__doc__).format(me=ME), end="")
        return 0
    try:
        return run(*arguments)
    except GatewayError as error:
        hint = f"\nTry: {ME} --help" if isinstance(error, UsageError) else ""
        warn(f"{error}{hint}")
        return 2 if hint else 1


def interrupted(number: int, _: object) -> None:
    """Ends the command, which undoes what it has begun."""
    raise GatewayError(f"Interrupted by {signal.Signals(number).name}.")


def run(command: str = "", *options: str) -> int:
    """Runs `up`, `down` or `status`. Returns its exit code."""
    if not command:
        raise UsageError("What to do? up, down or status.")
    if command not in {"up", "down", "status"}:
        raise UsageError(f"'{command}' is neither up nor down nor status.")
    choice = Choice(options) if command == "up" else None
    if options and not choice:
        raise UsageError(f"{command} takes no options.")
    if os.geteuid() != 0:
        again = " ".join([ME, command, *options])
        raise GatewayError(f"Only root may change the firewall, or look at it: sudo {again}")
    if choice:
        return up(choice)
    return down() if command == "down" else status()


def up(choice: Choice) -> int:
    """Redirects what is chosen, and nothing else."""
    tool = choice.tool or ("nft" if has("nft") else "iptables")
    if not has(tool):
        packages = "nftables, or iptables"
        raise GatewayError(f"{tool} is not installed. On Debian: apt-get install {packages}.")
    listens = interceptor.check(choice)
    # What an earlier `up` made with the other tool goes last, so that there is no gap.
    others = [other for other in firewall.TOOLS if other != tool and firewall.is_up(other)]
    firewall.up(tool, choice)
    for other in others:
        firewall.down(other)
    print(f"TCP 443 goes to port {choice.port} now, and UDP 443 is refused, with {tool}:")
    print("\n".join(f"  {name}" for name in choice.sources()))
    print(interceptor.how_to_serve(choice))
    if not listens:
        warn(f"Nothing listens on port {choice.port} yet. Until then connections fail.")
    interceptor.warn_of_routing(choice)
    return 0


def down() -> int:
    """Redirects nothing any more."""
    found = [tool for tool in firewall.TOOLS if firewall.is_up(tool)]
    for tool in found:
        firewall.down(tool)
    print("Nothing is redirected any more." if found else "Nothing was redirected.")
    return 0


def status() -> int:
    """Prints what is redirected. Returns 3 if nothing is."""
    found = [tool for tool in firewall.TOOLS if firewall.is_up(tool)]
    for tool in found:
        print("\n".join([f"Up, with {tool}:", *firewall.status(tool)]))
    if not found:
        print("Down: nothing is redirected.")
    return 0 if found else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
