"""How an app is pointed at an interceptor, by the mode that it runs in."""

from mitmproxy.proxy.mode_specs import ProxyMode, RegularMode, ReverseMode, UpstreamMode

from ..dashboard.state import Command
from .own_command import own_command


def commands_for(mode: ProxyMode, listening: list[tuple[str, int]]) -> list[Command]:
    """What a person types or sets for an app; nothing in modes where the network redirects it."""
    if not listening:
        return []
    port = listening[0][1]
    if isinstance(mode, ReverseMode):
        return [Command("The app's base URL", f"http://127.0.0.1:{port}/v1")]
    if isinstance(mode, RegularMode | UpstreamMode):
        own = own_command()
        return [
            Command("In front of an app", f"{own} run --attach {port} -- COMMAND"),
            Command("Or in its shell", f'eval "$({own} env --port {port})"'),
        ]
    return []
