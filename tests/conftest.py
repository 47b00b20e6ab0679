"""What the tests share: certificates, a stand-in, and interceptors that many tests can use."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from . import harness
from .fixtures.browsing import browser
from .fixtures.provider import provider
from .fixtures.watching import watching
from .fixtures.workers import _vast, intercepting, vast
from .fixtures.wrapper import confdir, expired_ca, run_options
from .harness import Certificates, Interceptor, StandIn, use

__all__ = [
    "_vast",
    "browser",
    "confdir",
    "expired_ca",
    "intercepting",
    "provider",
    "run_options",
    "vast",
    "watching",
]

# How long something takes on a busy machine, or for the first time, is no finding.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: who gets one last would work while the others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA, and the certificate and key of `localhost`."""
    return harness.certificate(tmp_path_factory.mktemp("certs"), "localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def _standin(certs: Certificates) -> Iterator[StandIn]:
    ca, certificate, key = certs
    standin = StandIn("--tls-cert", str(certificate), "--tls-key", str(key), scheme="https")
    standin.trust(ca)
    yield standin
    standin.stop()


@pytest.fixture
def standin(_standin: StandIn) -> StandIn:
    """The stand-in for Vast, over TLS, with no calls yet."""
    _standin.forget_calls()
    return _standin


@pytest.fixture
def vast_section(standin: StandIn, certs: Certificates) -> dict[str, Any]:
    """The configuration's `vast` for the stand-in."""
    return harness.vast_section(standin, certs.ca)


@pytest.fixture(scope="session")
def _mitmdump(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interceptor]:
    config = {
        "vast": harness.vast_section(_standin, certs.ca),
        "routes": [{"model": "gpt-4*", "endpoint": "big-one"}],
        "models": ["gpt-3.5-turbo"],
    }
    with harness.intercept(tmp_path_factory.mktemp("mitmdump"), config) as interceptor:
        yield interceptor


@pytest.fixture
def mitmdump(
    _mitmdump: Interceptor, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> Interceptor:
    """A `mitmdump -s addon/vast.py`, and an environment that has this process's clients use it."""
    use(_mitmdump, monkeypatch)
    return _mitmdump
