"""Vast's Serverless interface with its real worker: console and router are the stand-in's."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ... import harness
from ...harness import Certificates, Interceptor, StandIn, use
from ..pyworker import InstallationError, PyWorker, pyworker_python, worker_certificate

LISTED = ("embeddings", "audio/speech", "audio/transcriptions")
LISTED_ROUTES = tuple(f"/v1/{operation}" for operation in LISTED)


@pytest.fixture(scope="session")
def worker_certs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The root of the workers, and a worker's certificate and key."""
    return Certificates(*worker_certificate(tmp_path_factory.mktemp("worker-certs")))


@pytest.fixture(scope="session")
def _vast(certs: Certificates, worker_certs: Certificates) -> Iterator[StandIn]:
    ca, certificate, key = certs
    standin = StandIn(
        *("--workers", "0", "--root-cert", str(worker_certs.ca)),
        *("--tls-cert", str(certificate), "--tls-key", str(key)),
        *("--routes", ",".join(LISTED_ROUTES)),
        scheme="https",
    )
    standin.trust(ca)
    yield standin
    standin.stop()


@pytest.fixture
def vast(_vast: StandIn) -> StandIn:
    """A stand-in for Vast without workers of its own, with no calls yet."""
    _vast.forget_calls()
    return _vast


@pytest.fixture(scope="session")
def _pyworker_python() -> Path:
    try:
        return pyworker_python()
    except InstallationError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def start_worker(
    _pyworker_python: Path,
    _vast: StandIn,
    certs: Certificates,
    worker_certs: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[PyWorker]]:
    """Runs a worker that is ready."""
    _, certificate, key = worker_certs

    @contextmanager
    def start(**options: Any) -> Iterator[PyWorker]:
        folder = tmp_path_factory.mktemp("worker")
        worker = PyWorker(
            _pyworker_python,
            folder,
            _vast,
            ca=certs.ca,
            certificate=certificate,
            key=key,
            **options,
        )
        try:
            worker.wait_until_ready()
            yield worker
        finally:
            worker.stop()

    return start


@pytest.fixture(scope="session")
def worker(start_worker: Callable[..., AbstractContextManager[PyWorker]]) -> Iterator[PyWorker]:
    """The worker of the default endpoint. It serves more than text, as its template says."""
    routes = ("/v1/chat/completions", "/v1/completions", *LISTED_ROUTES)
    with start_worker(routes=routes) as worker:
        yield worker


@pytest.fixture(scope="session")
def _serverless(
    _vast: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interceptor]:
    config = {
        "vast": harness.vast_section(
            _vast, interface="serverless", route_url=_vast.url, console_url=_vast.url
        ),
        "routes": [{"model": "gpt-4*", "endpoint": "big-one"}],
        # Its template does not list rerank.
        "endpoints": {harness.ENDPOINT: {"serves": [*LISTED, "rerank"]}},
    }
    # The console's certificate is one that the machine trusts; the workers' root, which nobody
    # does, comes from the console.
    environ = {"SSL_CERT_FILE": str(certs.ca)}
    folder = tmp_path_factory.mktemp("serverless")
    with harness.intercept(folder, config, environ=environ) as interceptor:
        yield interceptor


@pytest.fixture
def serverless(
    _serverless: Interceptor, vast: StandIn, worker: PyWorker, monkeypatch: pytest.MonkeyPatch
) -> Interceptor:
    """A mitmdump that reaches the worker, and an environment that has this process use it."""
    assert vast.url
    assert worker.url
    use(_serverless, monkeypatch)
    return _serverless
