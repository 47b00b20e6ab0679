"""Commands that a person copies: how this program is called, and how an app is pointed at it."""

import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

from mitmproxy.proxy.mode_specs import ProxyMode, RegularMode, ReverseMode, UpstreamMode

from ..dashboard.state import Command

_NAME = "vast-intercept"


@cache
def own_command() -> str:
    """This program's name, or its path if the shell does not find it by that name."""
    installed = Path(sys.executable).with_name(_NAME)
    if shutil.which(_NAME) or not installed.exists():
        return _NAME
    return shlex.quote(str(installed))


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
