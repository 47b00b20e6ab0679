"""Whose connections go to the interceptor, and how they are answered."""

import json
import pwd
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
import yaml

from ... import harness
from ...harness import ENDPOINT, Process, StandIn
from .command import done, run, transparent
from .network import ELSEWHERE, NETWORKS, OTHER_UDP_PORT, ROUTER, SERVER, Namespace, routed_client

CHOICES = {
    "from": ("--from", NETWORKS[0], "--from", NETWORKS[1]),
    "interface": ("--interface", "lan"),
    "user": ("--user", "daemon"),
}
FAMILIES = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])


@dataclass(frozen=True)
class App:
    """curl: in another namespace or in this one, as one of its users, from one of its addresses."""

    namespace: Namespace | None = None
    user: str = "root"
    address: str = ""

    def curl(self, *arguments: str) -> str:
        """What it prints."""
        with self._place():
            return done(run(*self._curl(*arguments)))

    def start_curl(self, *arguments: str) -> Process:
        """Starts it, to be watched."""
        with self._place():
            return Process(*self._curl(*arguments))

    def send_datagram(self, family: int, port: int) -> str:
        """Sends one to the server. Returns the echo, or the error's name."""
        uid = str(pwd.getpwnam(self.user).pw_uid)
        probe = (sys.executable, "-m", "tests.launch.redirection.probe")
        with self._place():
            return done(run(*probe, uid, self.address, SERVER[family], str(port))).strip()

    def _place(self) -> AbstractContextManager[object]:
        return self.namespace or nullcontext()

    def _curl(self, *arguments: str) -> list[str]:
        as_user = []
        if self.user != "root":
            as_user = ["setpriv", f"--reuid={self.user}", "--clear-groups"]
        curl = ("curl", "--silent", "--show-error", "--no-buffer", "--max-time", "30")
        interface = ["--interface", self.address] if self.address else []
        return [*as_user, *curl, *interface, *arguments]


def call(family: int, ca: str, **more: Any) -> list[str]:
    """What curl is told for a call to OpenAI."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hello there"}], **more}
    headers = ("-H", "content-type: application/json")
    url = "https://api.openai.com/v1/chat/completions"
    return [f"-{family}", "--cacert", ca, *headers, "-d", json.dumps(body), url]


class Stream:
    """A streamed call, of which the stand-in sends one chunk after the other as it is told."""

    def __init__(self, app: App, family: int, ca: str, standin: StandIn) -> None:
        self._standin, self._gate = standin, uuid4().hex
        asked = {"stream": True, "standin": {"gate": self._gate}}
        self._curl = app.start_curl(*call(family, ca, **asked))
        # The first chunk has the role, and waits for nothing.
        self._next_chunks(2)
        self._curl.wait_for('" said"')
        assert '" hello"' not in self._curl.output

    def end(self) -> None:
        """Has it end, as it should."""
        self._next_chunks(len([":", " hello", " there", "finish_reason", "usage", "[DONE]"]))
        self._curl.process.wait(30)
        assert self._curl.stop() == 0
        assert self._curl.output.endswith("data: [DONE]\n\n")

    def _next_chunks(self, count: int) -> None:
        for _ in range(count):
            self._standin.open_gate(self._gate)


Publish = Callable[[Path], str]


@pytest.fixture(scope="module")
def publish() -> Iterator[Publish]:
    """Copies a file to where every user may read it."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield lambda path: shutil.copy(path, str(Path(folder, uuid4().hex)))


@pytest.fixture(scope="module")
def server_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The server's CA, certificate and key."""
    folder = tmp_path_factory.mktemp("server")
    return harness.certificate(folder, "api.openai.com", "other.example")


@pytest.fixture(scope="module")
def server_ca(server_files: tuple[Path, Path, Path], publish: Publish) -> str:
    """What those trust who reach the server itself."""
    return publish(server_files[0])


@pytest.fixture(scope="module")
def client(server_files: tuple[Path, Path, Path]) -> Iterator[Namespace]:
    """Another namespace, routed through this one."""
    with routed_client(*server_files[1:]) as client:
        yield client


@pytest.fixture(scope="module")
def interceptor_ca(
    client: Namespace,
    certs: tuple[Path, Path, Path],
    _standin: StandIn,
    tmp_path_factory: pytest.TempPathFactory,
    publish: Publish,
) -> Iterator[str]:
    """What those trust who reach the interceptor, which runs."""
    config = {
        "vast": harness.vast_section(_standin, certs[0]),
        "clients": {"allow_from": [*NETWORKS, "198.51.100.1", "2001:db8:1::1"]},
    }
    folder = tmp_path_factory.mktemp("interceptor")
    mode = ("--mode", "transparent@:8080")
    with harness.intercept(folder, config, *mode, kind="serve") as interceptor:
        yield publish(interceptor.ca)


@pytest.fixture(scope="module", params=CHOICES)
def choice(request: pytest.FixtureRequest) -> str:
    """Whose connections are redirected."""
    name: str = request.param
    if name == "user":
        request.getfixturevalue("user")  # or skip
    return name


@pytest.fixture(scope="module")
def app(choice: str, client: Namespace) -> App:
    """One of those."""
    return App(user="daemon") if choice == "user" else App(client)


@pytest.fixture(scope="module")
def others(choice: str, client: Namespace) -> list[App]:
    """Some of the rest. This machine's root is never among the chosen."""
    match choice:
        case "user":
            return [App(), App(client)]
        case "from":
            return [App(), App(client, address=ELSEWHERE)]
        case _:
            return [App()]


@pytest.fixture(scope="module")
def redirected(tool: str, choice: str, app: App, interceptor_ca: str) -> Iterator[App]:
    """The app, once `up` has run."""
    done(transparent("up", "--tool", tool, *CHOICES[choice]))
    yield app
    done(transparent("down"))


@pytest.mark.parametrize("tool", ["nft", "iptables"], indirect=True)
@FAMILIES
class TestRedirected:
    def test_whole(
        self, redirected: App, family: int, interceptor_ca: str, standin: StandIn
    ) -> None:
        answer = json.loads(redirected.curl(*call(family, interceptor_ca)))
        assert answer["choices"][0]["message"]["content"] == "You said: hello there"
        (received,) = standin.calls()
        assert received["path"] == f"/{ENDPOINT}/v1/chat/completions"

    def test_streamed_as_it_comes(
        self, redirected: App, family: int, interceptor_ca: str, standin: StandIn
    ) -> None:
        Stream(redirected, family, interceptor_ca, standin).end()

    def test_another_host_shows_its_own_certificate(
        self, redirected: App, family: int, server_ca: str
    ) -> None:
        url = "https://other.example/"
        assert redirected.curl(f"-{family}", "--cacert", server_ca, url) == "server"

    def test_udp_443_is_refused_at_once_and_no_other_port(
        self, redirected: App, choice: str, family: int
    ) -> None:
        # By the system call where the app is on this machine, otherwise by ICMP.
        refusal = "EPERM" if choice == "user" else "ECONNREFUSED"
        assert redirected.send_datagram(family, 443) == refusal
        assert redirected.send_datagram(family, OTHER_UDP_PORT) == "echo"

    def test_what_is_for_this_machine_itself_is_left_alone(
        self, redirected: App, family: int
    ) -> None:
        host = {4: ROUTER[4], 6: f"[{ROUTER[6]}]"}[family]
        before = connections()
        assert redirected.curl(f"http://{host}:443/") == "router"
        assert connections() == before  # the interceptor would pass it on

    def test_others_are_left_alone(
        self, redirected: App, family: int, others: list[App], server_ca: str
    ) -> None:
        for other in others:
            if family == 4 or not other.address:
                assert other.curl(*call(family, server_ca)) == "server"
                assert other.send_datagram(family, 443) == "echo"


def connections() -> int:
    """How many have been redirected."""
    counted = re.findall(r"TCP 443 to port 8080, (\d+) conn", done(transparent("status")))
    return sum(map(int, counted))


def test_status_counts(redirected: App, interceptor_ca: str) -> None:
    before = connections()
    redirected.curl(*call(4, interceptor_ca))
    assert connections() == before + 1
    redirected.send_datagram(4, 443)
    assert re.search(r"UDP 443 refused, [1-9]\d* packets", done(transparent("status")))


def test_a_stream_outlives_another_up(
    tool: str, choice: str, redirected: App, interceptor_ca: str, standin: StandIn
) -> None:
    stream = Stream(redirected, 4, interceptor_ca, standin)
    done(transparent("up", "--tool", tool, *CHOICES[choice]))
    stream.end()


@pytest.fixture
def own_nat(client: Namespace) -> Iterator[None]:
    """What a router has for IPv4."""
    chain = "chain postrouting { type nat hook postrouting priority 100; masquerade; }"
    run("nft", f"table ip own {{ {chain}; }}", check=True)
    yield
    run("nft", "delete table ip own", check=True)


def test_a_stream_outlives_down_if_the_machine_has_nat_of_its_own(
    own_nat: None, choice: str, app: App, interceptor_ca: str, standin: StandIn
) -> None:
    done(transparent("up", *CHOICES[choice]))
    stream = Stream(app, 4, interceptor_ca, standin)
    done(transparent("down"))
    stream.end()


@FAMILIES
def test_after_down_all_is_as_it_was(
    choice: str, app: App, family: int, interceptor_ca: str, server_ca: str
) -> None:
    done(transparent("up", *CHOICES[choice]))
    app.curl(*call(family, interceptor_ca))
    done(transparent("down"))
    assert app.curl(*call(family, server_ca)) == "server"
    assert app.send_datagram(family, 443) == "echo"


def described(said: str) -> tuple[list[str], list[str]]:
    """The options of `serve` and the value of allow_from, as `up` has them."""
    (options,) = re.findall(r"^  ./scripts/serve (.*)$", said, re.MULTILINE)
    (clients,) = re.findall(r"^  (clients: .*)$", said, re.MULTILINE)
    return options.split(), yaml.safe_load(clients)["clients"]["allow_from"]


@pytest.mark.parametrize(
    ("chosen", "is_here"),
    [
        pytest.param(("--user", "daemon"), True, id="user"),
        pytest.param(("--interface", "lan", "--from", "10.99.0.0/24"), False, id="routed"),
    ],
)
def test_up_says_what_interceptor_fits(
    chosen: tuple[str, ...],
    is_here: bool,
    user: str,
    client: Namespace,
    publish: Publish,
    certs: tuple[Path, Path, Path],
    standin: StandIn,
    tmp_path: Path,
) -> None:
    up = ("up", "--port", "9090", *chosen)
    first = transparent(*up)
    options, networks = described(first.stdout + first.stderr)
    config = {
        "vast": harness.vast_section(standin, certs[0]),
        "clients": {"allow_from": networks},
    }
    with harness.intercept(tmp_path, config, *options, kind="serve") as interceptor:
        done(transparent(*up))
        app = App(user=user) if is_here else App(client)
        for family in (4, 6):
            app.curl(*call(family, publish(interceptor.ca)))
        done(transparent("down"))
    assert len(standin.calls()) == 2


def test_networks_of_this_machine_are_allowed_on_loopback_only(
    interceptor_ca: str, user: str
) -> None:
    options, networks = described(done(transparent("up", "--user", user)))
    assert {option for option in options if "@" in option} == {
        "transparent@127.0.0.1:8080",
        "transparent@::1:8080",
    }
    assert "198.51.100.1/24" in networks
    options, networks = described(done(transparent("up", "--user", user, "--from", "10.1.0.7")))
    assert "transparent@:8080" in options
    assert {"127.0.0.0/8", "198.51.100.1", "2001:db8:1::1", "10.1.0.7"} <= set(networks)
    assert not [network for network in networks if network.startswith("198.51.100.1/")]
    done(transparent("down"))
