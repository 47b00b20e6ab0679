"""What the log says of clients that the wrapper alone does not help: the jail does (the matrix)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ... import harness
from ...harness import Interceptor
from .clients import CHROMIUM, JAILED, Client
from .test_matrix import App, app_environ, far_away

__all__ = ["far_away"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # on first use, a client is installed

NAMES = {"r-httr2", "emacs-url", "libsoup", "python-pycurl"}
READ_NO_CAS = [client for client in JAILED if client.name in NAMES]


@pytest.fixture
def interceptor(tmp_path: Path) -> Iterator[Interceptor]:
    """A new one: it has told nobody anything yet."""
    with harness.intercept(tmp_path / "own", {}, kind="serve") as interceptor:
        yield interceptor


@pytest.mark.parametrize("client", READ_NO_CAS, ids=str)
def test_a_client_that_was_given_the_ca_is_told_of_the_jail(
    client: Client, interceptor: Interceptor, far_away: list[str], tmp_path: Path
) -> None:
    port = interceptor.port
    run = [*far_away, harness.tool("vast-intercept"), "run", "--attach", str(port), "--"]
    app = App(tmp_path, *run, *client.command(), "whole", environ=app_environ())
    app.process.wait(60)
    app.stop()
    hint = interceptor.wait_for(rf".*{re.escape(f'run --jail --attach {port} -- COMMAND')}.*")[0]
    assert "accepted" not in hint
    assert "run --attach" not in hint
    assert "Nothing outside of the app changes that" not in hint


def test_chromium_is_told_of_nss_s_database(interceptor: Interceptor, tmp_path: Path) -> None:
    port = interceptor.port
    run = [harness.tool("vast-intercept"), "run", "--attach", str(port), "--"]
    environ = app_environ() | {"HOME": str(tmp_path)}
    app = App(tmp_path, *run, *CHROMIUM.command(), environ=environ)
    app.process.wait(60)
    app.stop()
    interceptor.wait_for(re.escape(f"run --nss --attach {port} -- COMMAND"))
    assert "run --jail" not in interceptor.output
