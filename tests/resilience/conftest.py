"""A stand-in with workers, and interceptors in front of it that speak Vast's own protocol."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .. import harness
from ..conftest import use
from ..harness import Interceptor, StandIn

WORKERS = 3


def serverless(standin: StandIn, ca: Path, **more: Any) -> dict[str, Any]:
    """The configuration's `vast` for a stand-in's router and workers."""
    urls = {"route_url": standin.url, "console_url": standin.url}
    more = {"interface": "serverless", "ca_file": str(ca), **more}
    return harness.vast_section(standin, **urls, **more)


@pytest.fixture(scope="session")
def _vast(certs: tuple[Path, Path, Path]) -> Iterator[StandIn]:
    ca, certificate, key = certs
    options = ["--workers", str(WORKERS), "--root-cert", str(ca)]
    options += ["--tls-cert", str(certificate), "--tls-key", str(key)]
    standin = StandIn(*options, scheme="https")
    standin.trust(ca)
    yield standin
    standin.stop()


@pytest.fixture
def vast(_vast: StandIn) -> StandIn:
    """A stand-in with three workers for each endpoint, with which all is well."""
    _vast.clear_faults()
    for what in ("route", "endptjobs", "root"):
        _vast.remove_override(what)
    for worker in _vast.workers():
        _vast.set_worker(worker["number"], "ready")
        _vast.new_key(worker["endpoint"])
    _vast.forget_calls()
    return _vast


type Intercepting = Callable[..., Interceptor]


@pytest.fixture
def intercepting(
    vast: StandIn,
    certs: tuple[Path, Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Intercepting]:
    """Starts an interceptor, which this process's clients then go through.

    What is named goes into `vast`; `sections` are the other parts of the configuration.
    """
    with ExitStack() as stack:

        def start(
            *options: str,
            kind: str = "mitmdump",
            sections: Any = None,
            environ: dict[str, str] | None = None,
            **more: Any,
        ) -> Interceptor:
            config = {"vast": serverless(vast, certs[0], **more), **(sections or {})}
            folder = tmp_path / f"interceptor-{len(list(tmp_path.iterdir()))}"
            running = stack.enter_context(
                harness.intercept(folder, config, *options, kind=kind, environ=environ)
            )
            use(running, monkeypatch)
            return running

        yield start
