"""Tells `vast-intercept env` and `check`, which ask through the proxy, what it is."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from mitmproxy import ctx, http
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode
from msgspec.structs import replace

from .. import __version__
from ..addresses import parse_address
from ..certificates.own_ca import ca_path
from ..dashboard.state import DashboardState, HowTo, state_of
from ..hints.how_to import commands_for
from ..mitm.borrowed import format_address
from ..mitm.saving import trouble_with_saving
from ..mitm.sockets import listening
from ..relay.serving.server import Relay
from ..shut_down_models import shut_down, what_it_means
from ..status import STATUS_HEADER, STATUS_HOST, STATUS_PATH, Status
from ..telemetry.monitor import Monitor
from .message_keys import mask_keys
from .recording import Recording
from .settings import Settings


class StatusPage:
    """Answers `GET http://vast-intercept.internal/status`, to this machine only."""

    def __init__(
        self, settings: Settings, monitor: Monitor, relay: Relay, recording: Recording
    ) -> None:
        self._settings = settings
        self._monitor = monitor
        self._relay = relay
        self._recording = recording

    def answer(self, flow: http.HTTPFlow) -> None:
        """Answers the flow if it asks for the status, and leaves it alone otherwise."""
        if not _asks_for_status(flow):
            return
        mask_keys(flow.request)
        peer = flow.client_conn.peername
        client = parse_address(peer[0]) if peer else None
        if client is None or not client.is_loopback:
            flow.response = http.Response.make(403, "Ask from the machine itself.\n")
        elif (flow.request.method, flow.request.path) != ("GET", STATUS_PATH):
            flow.response = http.Response.make(404, f"There is only GET {STATUS_PATH} here.\n")
        else:
            body = msgspec.json.encode(self.status())
            flow.response = http.Response.make(200, body, {"content-type": "application/json"})

    def status(self) -> Status:
        """The interceptor's status."""
        config = self._settings.config
        return Status(
            version=__version__,
            pid=os.getpid(),
            modes=list(ctx.options.mode),
            listening=listening(),
            ca_file=str(ca_path(Path(ctx.options.confdir))),
            config=config.source,
            problem=self._settings.problem,
            provider_hosts=[host for provider in config.providers for host in provider.hosts],
            provider_ports=sorted({port for each in config.providers for port in each.ports}),
            tally=self._monitor.tally,
            recorded=self._recording.recorded if self._settings.recording else None,
            shut_down=shut_down(self._monitor.shut_down),
            key_variables=list(config.all_key_variables),
        )

    def state(self) -> DashboardState:
        """What the dashboard shows."""
        status = self.status()
        how_to = HowTo(
            listening=list(dict.fromkeys(map(format_address, status.listening))),
            ca_file=status.ca_file,
            provider_hosts=status.provider_hosts,
            commands=commands_for(ProxyMode.parse(status.modes[0]), status.listening),
        )
        config = self._settings.config
        if self._settings.recording:
            config = replace(config, warnings=())  # of calls that are not served
        return state_of(
            self._monitor,
            config,
            status.problem,
            how_to,
            notices=filter(None, self._notices(status)),
        )

    def _notices(self, status: Status) -> Iterator[str]:
        yield trouble_with_saving()
        if self._settings.recording:
            yield (
                f"Calls go to their own providers, and are recorded in {ctx.options.vast_record}."
                " None is served."
            )
        yield self._recording.trouble
        yield what_it_means(status.shut_down)

    def not_ready(self) -> list[str]:
        """Why calls would not be served now. Empty if they would be."""
        config = self._settings.config
        problems = []
        if self._relay.address is None:
            problems.append("The relay does not run.")
        elif self._relay.draining:
            problems.append("The interceptor is shutting down.")
        if not listening():
            problems.append("The proxy does not listen.")
        if self._settings.recording:
            return problems  # these take no configuration
        if self._settings.problem:
            problems.insert(0, self._settings.problem)
        if config.lacks_vast_key:
            problems.append(f"There is no Vast API key: {config.api_key_problem}.")
        problems += config.missing_machine_keys()
        if not config.endpoints():
            problems.append("There is no Vast endpoint.")
        return problems


def _asks_for_status(flow: http.HTTPFlow) -> bool:
    if isinstance(flow.client_conn.proxy_mode, ReverseMode):
        name, value = STATUS_HEADER
        return flow.request.headers.get(name) == value
    return STATUS_HOST in {flow.request.host, flow.request.pretty_host}
