"""What `serve` says once it listens."""

from mitmproxy import ctx
from mitmproxy.proxy.mode_specs import ProxyMode, RegularMode, ReverseMode, UpstreamMode
from mitmproxy.utils import human

from ..config import Config
from ..intercept.addon import VastIntercept
from ..launch.own_command import own_command


class Banner:
    """Says where the interceptor listens, what it takes over, and how to point an app at it."""

    name = "vast_banner"

    def __init__(self, interceptor: VastIntercept) -> None:
        self._interceptor = interceptor

    def running(self) -> None:
        """Prints it."""
        if ctx.options.termlog_verbosity == "error":  # -q
            return
        addresses = ctx.master.addons.get("proxyserver").listen_addrs()
        mode = ProxyMode.parse(ctx.options.mode[0])
        print("\n".join(banner(self._interceptor.config, addresses, mode)), flush=True)


def banner(config: Config, addresses: list[tuple[str, int]], mode: ProxyMode) -> list[str]:
    """The lines."""
    # In reverse mode there is one for TCP and one for UDP.
    listening = ", ".join(dict.fromkeys(map(human.format_address, addresses)))
    lines = [
        f"Listening on   {listening or 'nothing'}",
        "Taking over    " + ", ".join(f"{p.name} ({', '.join(p.hosts)})" for p in config.providers),
    ]
    if config.endpoint or config.routes:
        routes = [f"{route.model} → {route.endpoint}" for route in config.routes]
        target = [f"endpoint {config.endpoint}"] if config.endpoint else []
        url = config.route_url if config.interface == "serverless" else config.openai_url
        lines.append(f"Calls go to    {url}: {', '.join([*routes, *target])}")
    else:
        lines.append("Calls go to    nowhere yet: set VAST_ENDPOINT")
    lines.append(f"Vast API key   {config.api_key or 'missing: set VAST_API_KEY'}")
    if addresses:
        lines += _how_to_use(mode, addresses[0][1])
    return lines


def _how_to_use(mode: ProxyMode, port: int) -> list[str]:
    if isinstance(mode, ReverseMode):
        return ["", f"The app's base URL:   http://127.0.0.1:{port}/v1"]
    if isinstance(mode, RegularMode | UpstreamMode):
        command = own_command()
        return [
            "",
            f"In front of an app:   {command} run --attach {port} -- COMMAND",
            f'Or in its shell:      eval "$({command} env --port {port})"',
        ]
    return []
