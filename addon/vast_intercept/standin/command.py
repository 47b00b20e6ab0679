"""`vast-intercept standin`: runs the stand-in as a process."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import click

from .mischief.fault_plan import FaultPlan, NoSuchWorkerError, read_fault_plan
from .server import StandIn, StandInConfig
from .vast.routes import UnknownRouteError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    context_settings={"show_default": True},
    short_help="Play Vast.ai on this machine, for trying things out.",
)
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default="free, printed", help="Port."
)
@click.option(
    "--api-key",
    envvar="STANDIN_API_KEY",
    default="vast-standin-key",
    show_envvar=True,
    help="API key that calls must have.",
)
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    default=("demo",),
    help="Name of an endpoint. May be given several times.",
)
@click.option("--tls-cert", type=_FILE, help="Serve HTTPS with this certificate (PEM).")
@click.option("--tls-key", type=_FILE, help="The certificate's private key, if elsewhere.")
@click.option(
    "--workers",
    type=click.IntRange(0, 100),
    default=1,
    help="How many workers each endpoint has, each on a port of its own.",
)
@click.option("--root-cert", type=_FILE, help="Vast's root, as the console serves it (PEM).")
@click.option("--faults", type=_FILE, help="File with planned faults (YAML).")
@click.option("--model", default="stand-in", help="Name of the served model.")
@click.option(
    "--routes",
    multiple=True,
    metavar="[ENDPOINT=]ROUTE,...",
    help="What workers serve beyond chat and text completions, such as /v1/embeddings. "
    "May be given several times.",
)
@click.option(
    "--model-routes",
    metavar="ROUTE,...",
    show_default="all of --routes",
    help="What of it the model serves.",
)
@click.option(
    "--input-modality",
    "input_modalities",
    type=click.Choice(["image", "audio"]),
    multiple=True,
    help="What the model takes in chats beyond text. May be given several times.",
)
@click.option(
    "--machine-key", help="Play a machine with vLLM, too: the key that /v1/... on the port wants."
)
def standin(faults: Path | None, model_routes: str | None, **options: Any) -> None:
    """Play Vast.ai on this machine: both of its interfaces, with a vLLM behind them.

    For trying things out and for tests. There is no model: answers are derived from requests.
    """
    config = StandInConfig(
        faults=_read_faults(faults) if faults else None,
        model_routes=None if model_routes is None else tuple(model_routes.split(",")),
        **options,
    )
    if config.tls_key and not config.tls_cert:
        raise click.UsageError("--tls-key needs --tls-cert.")
    try:
        asyncio.run(_serve(config))
    except NoSuchWorkerError as error:
        raise click.BadParameter(str(error), param_hint="--faults") from None
    except UnknownRouteError as error:
        hint = "--routes or --model-routes"
        raise click.BadParameter(str(error), param_hint=hint) from None
    except OSError as error:
        click.echo(f"The stand-in cannot listen on {config.host}:{config.port}: {error}", err=True)
        sys.exit(1)


def _read_faults(path: Path) -> FaultPlan:
    try:
        return read_fault_plan(path.read_text())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--faults") from None


async def _serve(config: StandInConfig) -> None:
    """Serves until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with StandIn(config) as running:
        click.echo(f"stand-in ready at {running.url}")
        await stopped.wait()
