"""Options that several commands have."""

import click

MAX_PORT = 65535
PORT = click.IntRange(1, MAX_PORT)

interceptor_port = click.option(
    "-p",
    "--port",
    type=PORT,
    default=8080,
    show_default=True,
    help="Port that the interceptor listens on.",
)
