"""What `serve` says once it listens."""

import contextlib
import logging
import sys

from mitmproxy import ctx
from mitmproxy.proxy.mode_specs import ProxyMode

from ..config import Config, Machine
from ..hints.how_to import commands_for
from ..intercept.addon import VastIntercept
from ..mitm.borrowed import format_address
from ..mitm.master import page_url
from ..mitm.sockets import listening
from ..telemetry.call_log import JSON

logger = logging.getLogger(__name__)


class Banner:
    """Says where the interceptor listens, what it takes over, and how to point an app at it."""

    name = "vast_banner"

    def __init__(self, interceptor: VastIntercept) -> None:
        self._interceptor = interceptor

    def running(self) -> None:
        """Prints the banner, or logs its first line where the log is for machines."""
        if ctx.options.termlog_verbosity == "error":  # -q
            return
        addresses = listening()
        if ctx.options.vast_log == JSON:
            logger.info("Listening on %s", _listed(addresses))
            return
        mode = ProxyMode.parse(ctx.options.mode[0])
        with contextlib.suppress(OSError):  # a full disk is no reason to serve no calls
            record = ctx.options.vast_record
            # Its token opens every call: it is for the person at the terminal, and for no log.
            page = page_url() if sys.stdout.isatty() else None
            lines = banner(self._interceptor.config, addresses, mode, record, page)
            print("\n".join(lines), flush=True)


def _listed(addresses: list[tuple[str, int]]) -> str:
    # In reverse mode there is one for TCP and one for UDP.
    return ", ".join(dict.fromkeys(map(format_address, addresses))) or "nothing"


def _machine(name: str, machine: Machine) -> str:
    key = "missing" if machine.api_key_problem else machine.api_key or "none"
    return f"Machine        {name} at {machine.url}, key {key}"


def banner(
    config: Config,
    addresses: list[tuple[str, int]],
    mode: ProxyMode,
    record: str = "",
    page: str | None = None,
) -> list[str]:
    """The banner's lines, for a proxy that listens at `addresses` in the first of its modes.

    `record` names the file in which calls are recorded, if they are not served, and `page` is the
    URL of mitmweb's page, with its token.
    """
    lines = [
        f"Listening on   {_listed(addresses)}",
        "Taking over    " + ", ".join(f"{p.name} ({', '.join(p.hosts)})" for p in config.providers),
    ]
    if record:
        lines.append(f"Recording in   {record.removeprefix('+')}: calls go to their own providers")
    else:
        lines += _serving(config)
    if page:
        lines.append(f"mitmweb        {page}")
    if commands := commands_for(mode, addresses):
        lines.append("")
    return lines + [f"{each.what + ':':<21} {each.command}" for each in commands]


def _serving(config: Config) -> list[str]:
    lines = []
    if config.endpoint or config.routes:
        routes = [f"{route.model} → {route.endpoint}" for route in config.routes]
        target = [f"endpoint {config.endpoint}"] if config.endpoint else []
        vast = f"{config.interface_url}: " if config.calls_vast else ""
        lines.append(f"Calls go to    {vast}{', '.join([*routes, *target])}")
    else:
        lines.append("Calls go to    nowhere yet: set VAST_ENDPOINT")
    serving = [
        f"{', '.join(sorted(endpoint.serves))} → {endpoint.name}"
        for endpoint in config.known_endpoints.values()
        if endpoint.serves
    ]
    if serving:
        lines.append(f"Also served    {'; '.join(serving)}")
    lines += [_machine(*each) for each in config.machines.items()]
    if config.calls_vast:
        lines.append(f"Vast API key   {config.api_key or 'missing: set VAST_API_KEY'}")
    return lines
