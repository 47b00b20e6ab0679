"""Every client through `vast-intercept run`, and those that know of no proxy through its jail."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from ... import harness
from ...harness import APP_KEY, ENDPOINT, VAST_KEY, Certificates, Interceptor, Process, StandIn
from .clients import (
    AIOHTTP,
    CHROMIUM,
    FILE_GET_CONTENTS,
    GO,
    GUZZLE,
    JAILED,
    JAVA,
    JAVASCRIPT,
    NODE,
    PERL,
    PHP,
    PYTHON,
    RUBY,
    SHELL,
    Client,
)
from .environments import InstallationError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # on first use, a client is installed
]

RUN = [*PYTHON, *SHELL, JAVA, GO, PHP, GUZZLE, RUBY, *PERL, *JAVASCRIPT, CHROMIUM]
JAIL = [AIOHTTP, *NODE, JAVA, FILE_GET_CONTENTS, *JAILED, CHROMIUM]
ROWS = [(client, "run") for client in RUN] + [(client, "jail") for client in JAIL]


def rows(chosen: list[tuple[Client, str]]) -> pytest.MarkDecorator:
    """Each of these clients, in one of the ways."""
    cases = [pytest.param(client, way, id=f"{client}-{way}") for client, way in chosen]
    return pytest.mark.parametrize(("client", "way"), cases)


#: The stand-in's tokens, of a chat and of a text completion.
CHAT = ["You", " said", ":", " hello", " there"]
TEXT = [" You", " wrote", ":", " hello", " there"]
_SECONDS = 60.0
_KEEPALIVE = 0.1
# Logs when the head of a stream's answer is there, which is before its first chunk if it waits.
_HEADS = """\
import logging, re

def responseheaders(flow):
    if gate := re.search(rb'"gate": *"(.+?)"', flow.request.content or b""):
        logging.warning("the head of %s is there", gate[1].decode())
"""
# What would have a client of this machine trust, ask or do other than it does by itself.
_CA_WORDS = ("CERT", "CA_BUNDLE", "CAINFO", "CAFILE", "SSL_ROOTS")
_SETTINGS = (
    *("JAVA_", "JDK_JAVA_", "NODE_", "DENO_", "BUN_", "OPENAI_", "PHP_", "PYTHON", "RUBY"),
    *("PERL_", "MOJO_", "R_", "WGETRC"),
)
# A name of OpenAI's that leads far away. The first word is the file with it.
_WITH_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


def app_environ() -> dict[str, str]:
    """What surrounds an app: the keys, and nothing of this machine's that would matter to it."""
    return {
        name: value
        for name, value in harness.clean_environ().items()
        if not name.startswith(_SETTINGS) and not any(word in name for word in _CA_WORDS)
    } | {"OPENAI_API_KEY": APP_KEY, "VAST_API_KEY": VAST_KEY}


class App(Process):
    """A client of the matrix, with its standard error kept apart."""

    def __init__(self, folder: Path, *command: str, environ: dict[str, str]) -> None:
        self._errors = folder / "stderr"
        super().__init__(
            "/bin/sh", "-c", 'exec "$@" 2>"$0"', str(self._errors), *command, environ=environ
        )

    def end(self) -> str:
        """Waits for its end, which must be good, and returns all that it printed."""
        self.process.wait(_SECONDS)
        code = self.stop()
        assert code == 0, f"exit code {code}\n{self.output}"
        return self.output

    def errors(self) -> str:
        """What it wrote to its standard error."""
        return self._errors.read_text(errors="replace")


@pytest.fixture(scope="session")
def config(_standin: StandIn, certs: Certificates) -> dict[str, object]:
    """The interceptor's configuration."""
    vast = harness.vast_section(_standin, certs.ca, timeout={"total": 30}, keepalive=_KEEPALIVE)
    return {"vast": vast}


@pytest.fixture(scope="session")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitmproxy's folder, with the CA."""
    return tmp_path_factory.mktemp("clients")


@pytest.fixture(scope="session")
def interceptor(config: dict[str, object], confdir: Path) -> Iterator[Interceptor]:
    """A `vast-intercept serve` that runs already, and tells when an answer has a head."""
    script = confdir / "heads.py"
    script.write_text(_HEADS)
    options = ["-s", str(script)]
    with harness.intercept(confdir, config, *options, kind="serve") as interceptor:
        yield interceptor


@pytest.fixture(scope="session")
def far_away(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command in front of another, which then knows api.openai.com though there is no DNS.

    192.0.2.1 is nobody's (RFC 5737).
    """
    hosts = tmp_path_factory.mktemp("hosts") / "hosts"
    hosts.write_text("127.0.0.1 localhost\n192.0.2.1 api.openai.com\n")
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount"]
    return [*own_mounts, "/bin/sh", "-c", _WITH_HOSTS, str(hosts)]


@pytest.fixture
def launcher(
    client: Client, way: str, interceptor: Interceptor, request: pytest.FixtureRequest
) -> list[str]:
    """What stands in front of a client's command, so that it is taken over."""
    run = [harness.tool("vast-intercept"), "run", "--attach", str(interceptor.port), "--quiet"]
    run += client.options
    if way == "run":
        return [*run, "--"]
    far_away: list[str] = request.getfixturevalue("far_away")
    return [*far_away, *run, "--jail", "--"]


@contextmanager
def started(launcher: list[str], client: Client, folder: Path, *arguments: str) -> Iterator[App]:
    """Runs a client."""
    try:
        command = client.command()
    except InstallationError as error:
        pytest.fail(str(error), pytrace=False)
    own_home = {"HOME": str(folder)} if client.options else {}  # with a database of its own
    app = App(folder, *launcher, *command, *arguments, environ=app_environ() | own_home)
    try:
        yield app
    finally:
        app.stop()
        print(app.errors())  # which pytest shows if the test fails


def check_call(standin: StandIn, client: Client, *, streamed: bool) -> None:
    """The one call that reached the stand-in is the app's, but for the key."""
    (call,) = standin.calls()
    kind = "completions" if client.completes_text else "chat/completions"
    assert call["path"] == f"/{ENDPOINT}/v1/{kind}"
    headers = [(name.lower(), value) for name, value in call["headers"]]
    assert [value for name, value in headers if name == "authorization"] == [f"Bearer {VAST_KEY}"]
    assert APP_KEY not in str(headers)
    body = json.loads(harness.body_of(call))
    assert body.get("stream", False) is streamed
    if client.completes_text:
        assert body["prompt"] == "hello there"
    else:
        assert [message["content"] for message in body["messages"]] == ["hello there"]


@rows(ROWS)
def test_whole(client: Client, launcher: list[str], standin: StandIn, tmp_path: Path) -> None:
    with started(launcher, client, tmp_path, "whole") as app:
        assert client.text(app.end()) == "".join(TEXT if client.completes_text else CHAT)
    check_call(standin, client, streamed=False)


@rows([(client, way) for client, way in ROWS if client.streams])
def test_streamed_as_it_comes(
    client: Client,
    launcher: list[str],
    interceptor: Interceptor,
    standin: StandIn,
    tmp_path: Path,
) -> None:
    """After a wait, in which empty chunks come."""
    gate = uuid4().hex
    pieces = TEXT if client.completes_text else CHAT
    standin.shut_gate(gate)
    with started(launcher, client, tmp_path, "stream", gate) as app:
        interceptor.wait_for(f"the head of {gate} is there", _SECONDS)
        if client.prints_bodies:
            app.wait_for(r'"delta":{"content":""}')
        assert f'"{pieces[0]}"' not in app.output
        for _ in ("the role", *pieces[:2]):
            standin.open_gate(gate)
        app.wait_for(f'"{pieces[1]}"')
        assert f'"{pieces[3]}"' not in app.output
        for _ in (*pieces[2:], "finish_reason", "usage", "[DONE]"):
            standin.open_gate(gate)
        assert client.pieces(app.end()) == pieces
    check_call(standin, client, streamed=True)


def test_an_interceptor_of_its_own(
    config: dict[str, object], confdir: Path, standin: StandIn, tmp_path: Path
) -> None:
    path = harness.write_config(tmp_path / "vast.yaml", **config)
    run = [harness.tool("vast-intercept"), "run", "--config", str(path)]
    launcher = [*run, "--set", f"confdir={confdir}", "--quiet", "--"]
    with started(launcher, PYTHON[0], tmp_path, "whole") as app:
        assert app.end() == "You said: hello there\n"
    check_call(standin, PYTHON[0], streamed=False)
