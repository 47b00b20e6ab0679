"""What `serve` says once it listens."""

from pathlib import Path

from mitmproxy import ctx
from mitmproxy.utils import human

from ..config import Config
from ..intercept.addon import VastIntercept
from .ca_bundle import write_ca_bundle

# For OpenSSL and httpx, for requests, for Node (FACTS C2).
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


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
        confdir = Path(ctx.options.confdir).expanduser()
        print("\n".join(banner(self._interceptor.config, addresses, confdir)), flush=True)


def banner(config: Config, addresses: list[tuple[str, int]], confdir: Path) -> list[str]:
    """The lines."""
    listening = ", ".join(human.format_address(address) for address in addresses)
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
        bundle = write_ca_bundle(confdir)
        port = addresses[0][1]
        lines += [
            "",
            "In the app's shell:",
            f"  export HTTPS_PROXY=http://127.0.0.1:{port}",
            f"  export {' '.join(f"{name}='{bundle}'" for name in _CA_VARIABLES)}",
        ]
    return lines
