"""The command line: `vast-intercept`."""

import click

from .. import __version__
from ..standin.command import standin
from .serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Have apps with a built-in OpenAI URL answered by your Vast.ai Serverless endpoint."""


main.add_command(serve)
main.add_command(standin)
