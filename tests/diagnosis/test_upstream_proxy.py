"""Where the interceptor goes through a proxy, Vast is looked at through it, too."""

from pathlib import Path
from urllib.parse import urlsplit

from ..harness import Certificates, StandIn
from ..launch.upstream_proxy import UpstreamProxy
from .conftest import STEPS, interceptor_for, sections_for


def test_vast_is_reached_through_it(standin: StandIn, certs: Certificates, tmp_path: Path) -> None:
    with UpstreamProxy("me", "secret-word") as proxy:
        port = urlsplit(proxy.url).port
        options = ("--mode", f"upstream:http://127.0.0.1:{port}")
        auth = ("--set", "upstream_auth=me:secret-word")
        sections = sections_for(standin, certs.ca)
        with interceptor_for(tmp_path, sections, *options, *auth) as setup:
            report = setup.check(environ=setup.environ(HTTPS_PROXY=proxy.url))
            report.only_failure("variables")
            assert report.named("passed") == set(STEPS) - {"variables"}
            assert "the proxy that the interceptor goes through" in report.steps["names"]["message"]
            assert urlsplit(standin.url).netloc in proxy.connected
            assert "secret-word" not in report.output

            # Only the interceptor knows the password.
            report = setup.check()
            assert report.named("failed") == set()
            assert report.named("skipped") == {"tls", "endpoint", "workers"}
            assert "wants a password" in report.steps["tls"]["message"]
            assert report.code == 0
