"""The command line: `vast-intercept`."""

from importlib import import_module

import click

from .. import __version__

# Where each command is. They are imported when they are used: mitmproxy alone takes half a second.
_NAMES = ("serve", "run", "record", "rehearse", "export", "env", "ca", "check")
_COMMANDS = {name: f"vast_intercept.cli.{name}" for name in _NAMES}
_COMMANDS["standin"] = "vast_intercept.standin.command"


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Let your Vast.ai Serverless endpoint answer apps that have OpenAI's URL built in."""
