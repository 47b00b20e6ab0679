"""The dashboard's web server: for this machine and its own page, whatever comes in."""

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from .. import harness
from ..end_to_end.resilience.apps import TEXT, App, ask
from ..fixtures.watching import Dashboard, Watched, Watching, until
from ..fixtures.workers import serverless
from ..harness import VAST_KEY, Certificates, StandIn

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PATHS = {
    "/": "text/html; charset=utf-8",
    "/dashboard.css": "text/css; charset=utf-8",
    "/dashboard.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml; charset=utf-8",
    "/state": "application/json",
    "/metrics": "text/plain; version=1.0.0; charset=utf-8",
    "/healthz": "text/plain; charset=utf-8",
    "/readyz": "text/plain; charset=utf-8",
}


@pytest.fixture(scope="module")
def _watched(
    _vast: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    dashboard = Dashboard(harness.unused_port())
    config = {"vast": serverless(_vast, certs.ca), "inspect": {"port": dashboard.port}}
    with harness.intercept(tmp_path_factory.mktemp("dashboard"), config) as interceptor:
        yield Watched(interceptor, dashboard.wait())


@pytest.fixture
def watched(_watched: Watched) -> Watched:
    """One that many tests look at."""
    return _watched


@pytest.fixture
def dashboard(watched: Watched) -> Dashboard:
    """Its dashboard."""
    return watched.dashboard


# --- what is there -------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "content_type"), PATHS.items(), ids=PATHS)
def test_paths(dashboard: Dashboard, path: str, content_type: str) -> None:
    answer = dashboard.ask(path)
    assert answer.status_code == 200
    media_type = content_type.partition(";")[0]
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.content
    if path != "/metrics":
        assert answer.headers["content-type"] == content_type


def test_the_page_names_nothing_that_is_not_there(dashboard: Dashboard) -> None:
    page = dashboard.get("/").text
    named = set(re.findall(r"""(?:src|href)=["']?([^"'> ]+)""", page))
    for path in named - {"#"}:
        if path.startswith(("#", "http")):
            continue
        assert dashboard.ask(path if path.startswith("/") else f"/{path}").status_code == 200
    # Nothing that the policy forbids.
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|javascript:", page)


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/state/",
        "//state",
        "/STATE",
        "/../state",
        "/%2e%2e/etc/passwd",
        "/index.html",
        "/page",
    ],
)
def test_there_is_nothing_else(dashboard: Dashboard, path: str) -> None:
    answer = raw(dashboard, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert status(answer) == 404
    assert b"/metrics" in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/state", "/metrics", "/elsewhere"])
def test_it_is_only_for_reading(dashboard: Dashboard, method: str, path: str) -> None:
    answer = dashboard.ask(path, method)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.content == b""


@pytest.mark.parametrize("path", [*PATHS, "/elsewhere"])
def test_head_is_get_without_a_body(dashboard: Dashboard, path: str) -> None:
    head, get = dashboard.ask(path, "HEAD"), dashboard.ask(path)
    assert head.content == b""
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]
    if path in {"/", "/dashboard.css", "/healthz"}:
        assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize("path", [*PATHS, "/elsewhere"])
@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://localhost:1"])
def test_headers(dashboard: Dashboard, path: str, origin: str | None) -> None:
    given = {"origin": origin} if origin else {}
    for headers in (
        dashboard.ask(path, **given).headers,
        dashboard.ask(path, "OPTIONS", **given, access_control_request_method="GET").headers,
        dashboard.ask(path, host="evil.example", **given).headers,
        dashboard.ask(path, sec_fetch_site="cross-site", **given).headers,
    ):
        assert headers["content-security-policy"] == CSP
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["server"] == "vast-intercept"
        assert not [name for name in headers if name.lower().startswith("access-control-")]
        assert "set-cookie" not in headers


# --- who may ask ---------------------------------------------------------------------------------


def raw(dashboard: Dashboard, request: str | bytes) -> bytes:
    """What is answered to these bytes until it is silent or closes."""
    data = request.encode("latin-1") if isinstance(request, str) else request
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", dashboard.port), timeout=10) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(data)
        with contextlib.suppress(OSError):  # it may have closed already
            connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def hosts(port: int) -> dict[str, tuple[str, int]]:
    """Host headers by what they are, with the status that is due."""
    return {
        "localhost": (f"localhost:{port}", 200),
        "localhost, without port": ("localhost", 200),
        "the address": (f"127.0.0.1:{port}", 200),
        "ipv6": (f"[::1]:{port}", 200),
        "ipv6, without port": ("[::1]", 200),
        "uppercase": (f"LocalHost:{port}", 200),
        "another port": ("localhost:1", 200),  # as through `ssh -L`
        "nobody": ("", 403),
        "evil": (f"evil.example:{port}", 403),
        "a subdomain": (f"localhost.evil.example:{port}", 403),
        "a subdomain of an address": (f"127.0.0.1.evil:{port}", 403),
        "a service for rebinding": (f"127.0.0.1.nip.io:{port}", 403),
        "a prefix": (f"notlocalhost:{port}", 403),
        "another name of this machine": (f"{socket.gethostname()}.local:{port}", 403),
        "trailing dot": (f"localhost.:{port}", 403),
        "below localhost": (f"x.localhost:{port}", 403),
        "a number": (f"2130706433:{port}", 403),
        "hexadecimal": (f"0x7f000001:{port}", 403),
        "any address": (f"0.0.0.0:{port}", 403),
        "ipv6 that is ipv4": (f"[::ffff:127.0.0.1]:{port}", 403),
        "ipv6, evil": (f"[2001:db8::1]:{port}", 403),
        "half an ipv6": ("[::1", 403),
        "two names": (f"localhost, evil.example:{port}", 403),
        "a user": (f"evil.example@localhost:{port}", 403),
        "a path": (f"evil.example/@localhost:{port}", 403),
        "an evil path": ("localhost/evil.example", 403),
        "a fragment": ("localhost#evil.example", 403),
        "a query": ("localhost?evil.example", 403),
        "a port that is none": ("localhost:x", 403),
        "a port too high": ("localhost:99999", 403),
        "percent": ("%6cocalhost", 403),
        "a backslash": ("localhost\\.evil.example", 403),
        "not ascii": ("localh\xf6st", 403),
        "long": ("localhost" * 500, 403),
    }


@pytest.mark.parametrize("name", hosts(0))
def test_only_for_names_of_this_machine(dashboard: Dashboard, name: str) -> None:
    """DNS rebinding: the name is all that tells an evil page's request from the user's own."""
    host, due = hosts(dashboard.port)[name]
    for path in ("/state", "/", "/metrics"):
        answer = raw(dashboard, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert status(answer) == due
        if due != 200:
            assert b"vast_intercept_" not in answer
            assert b"my-endpoint" not in answer


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /state HTTP/1.0\r\n\r\n",
        "GET /state HTTP/1.1\r\n\r\n",
        "GET /state HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n\r\n",
        "GET http://localhost/state HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
    ids=["http 1.0", "no host", "forwarded", "absolute"],
)
def test_without_a_good_host_there_is_no_answer(dashboard: Dashboard, request_line: str) -> None:
    answer = raw(dashboard, request_line)
    assert status(answer) in {400, 403}
    assert b"my-endpoint" not in answer


def test_two_hosts(dashboard: Dashboard) -> None:
    for one, other in (("localhost", "evil.example"), ("evil.example", "localhost")):
        answer = raw(dashboard, f"GET /state HTTP/1.1\r\nHost: {one}\r\nHost: {other}\r\n\r\n")
        assert status(answer) in {400, 403}


FETCHES: dict[str, tuple[dict[str, str], int]] = {
    "typed": ({"sec_fetch_site": "none", "sec_fetch_mode": "navigate"}, 200),
    "the page's own": ({"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"}, 200),
    "no browser": ({}, 200),
    "a link": (
        {
            "sec_fetch_site": "cross-site",
            "sec_fetch_mode": "navigate",
            "sec_fetch_dest": "document",
            "sec_fetch_user": "?1",
        },
        200,
    ),
    "fetch": (
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"},
        403,
    ),
    "fetch without cors": (
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "empty"},
        403,
    ),
    "another port's": (
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"},
        403,
    ),
    "a script": (
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "script"},
        403,
    ),
    "an image": (
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
        403,
    ),
    "a frame": (
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
        403,
    ),
    "an object": (
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "object"},
        403,
    ),
    "only the site": ({"sec_fetch_site": "cross-site"}, 403),
    "rubbish": ({"sec_fetch_site": "x"}, 403),
}


@pytest.mark.parametrize(("headers", "due"), FETCHES.values(), ids=FETCHES)
def test_other_sites_pages_get_nothing(
    dashboard: Dashboard, headers: dict[str, str], due: int
) -> None:
    for path in ("/", "/state", "/metrics", "/icon.svg"):
        assert dashboard.ask(path, **headers).status_code == due


def other_addresses() -> list[str]:
    """Of this machine: 127.0.0.2 is one on Linux, and each interface has some."""
    found = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET
    }
    return ["127.0.0.2", *sorted(found - {"127.0.0.1"})]


@pytest.mark.parametrize("address", other_addresses(), ids=lambda _: "address")
def test_it_listens_on_one_address_only(dashboard: Dashboard, address: str) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex((address, dashboard.port)) != 0


def test_it_does_not_listen_on_ipv6(dashboard: Dashboard) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        assert probe.connect_ex(("::1", dashboard.port)) != 0


# --- whatever comes in ---------------------------------------------------------------------------

GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "bytes": bytes(range(256)) * 40,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "half a request": b"GET /state HTTP/1.1\r\nHost: local",
    "huge line": b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "huge header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    "huge body": b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n"
    + b"x" * 5_000_000,
    "negative length": b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "smuggling": b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunks": b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a method of nobody's": b"FROB / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 100,
    "upgrade": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    "connect": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a second that is garbage": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01\r\n\r\n",
    "control characters in a header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \x01\r\n\r\n",
    "escape codes in a path": b"GET /\x1b[31m HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "many at once": b"GET /state HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200,
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_does_no_harm(watched: Watched, data: bytes) -> None:
    before = watched.interceptor.output
    raw(watched.dashboard, data)
    assert watched.dashboard.get("/healthz").text == "ok\n"
    said = watched.interceptor.output.removeprefix(before)
    assert "Traceback" not in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: local",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["silent", "half open", "kept"],
)
def test_connections_that_stay_keep_nobody_out(begun: bytes, watched: Watched) -> None:
    dashboard = watched.dashboard
    process = psutil.Process(watched.interceptor.process.pid)
    before = len(process.net_connections("tcp"))
    with contextlib.ExitStack() as held:
        for _ in range(300):
            connection = socket.create_connection(("127.0.0.1", dashboard.port), timeout=10)
            held.enter_context(connection)
            connection.sendall(begun)
        for path in ("/healthz", "/readyz", "/metrics", "/state"):
            mine = Dashboard(dashboard.port)
            assert mine.ask(path).status_code == 200
        assert len(process.net_connections("tcp")) <= before + 110


def test_many_pages_at_once(dashboard: Dashboard) -> None:
    def poll() -> None:
        mine = Dashboard(dashboard.port)
        for _ in range(20):
            assert mine.state()["version"]
            assert mine.metrics().samples

    pages = [App(poll) for _ in range(8)]
    for page in pages:
        page.result()


# --- whether all is well -------------------------------------------------------------------------


def test_it_lives_and_is_ready(dashboard: Dashboard) -> None:
    assert dashboard.get("/healthz").text == "ok\n"
    assert dashboard.get("/readyz").text == "ok\n"


def not_ready(dashboard: Dashboard) -> str:
    assert dashboard.get("/healthz").text == "ok\n"
    answer = dashboard.ask("/readyz")
    assert answer.status_code == 503
    return answer.text


def test_not_ready_without_a_key(watching: Watching) -> None:
    dashboard = watching(environ={"VAST_API_KEY": ""}).dashboard
    assert not_ready(dashboard) == (
        "There is no Vast API key: the environment variable VAST_API_KEY is not set.\n"
    )


def test_not_ready_without_an_endpoint_and_a_key(watching: Watching) -> None:
    dashboard = watching(environ={"VAST_API_KEY": ""}, endpoint=None).dashboard
    assert not_ready(dashboard).splitlines() == [
        "There is no Vast API key: the environment variable VAST_API_KEY is not set.",
        "There is no Vast endpoint.",
    ]


def test_not_ready_with_a_broken_configuration(watching: Watching) -> None:
    """It keeps the old one: is ready, and says in the log that the new one is broken."""
    watched = watching()
    path = watched.interceptor.folder / "vast.yaml"
    good = path.read_text()
    path.write_text(good + "\nnonsense: [")
    watched.interceptor.wait_for("is not valid YAML")
    before = watched.dashboard.ask("/readyz")
    path.write_text(good)
    until(lambda: watched.dashboard.ask("/readyz").status_code == 200)
    assert before.status_code == 200
    assert ask().text == TEXT


def test_not_ready_when_it_started_with_a_broken_configuration(
    vast: StandIn, certs: Certificates, tmp_path: Path
) -> None:
    """It comes up on its own once the file is mended, and stays when it breaks again."""
    dashboard = Dashboard(harness.unused_port())
    path = tmp_path / "broken.yaml"
    path.write_text("vast: {endpont: x}\n")
    config = {"vast": serverless(vast, certs.ca), "inspect": {"port": dashboard.port}}
    with harness.intercept(tmp_path, None, "--set", f"vast_config={path}") as interceptor:
        interceptor.wait_for("endpont")
        harness.write_config(path, **config)
        dashboard.wait()
        assert dashboard.get("/readyz").text == "ok\n"
        path.write_text("vast: {endpont: x}\n")
        interceptor.wait_for(r"(?s)endpont.*endpont")
        assert dashboard.ask("/readyz").status_code == 200


# --- the port ------------------------------------------------------------------------------------


def edit(watched: Watched, **section: Any) -> None:
    """Changes the file's section `inspect` while it runs."""
    import yaml  # noqa: PLC0415

    path = watched.interceptor.folder / "vast.yaml"
    document = yaml.safe_load(path.read_text())
    document["inspect"] |= section
    path.write_text(yaml.safe_dump(document))


def test_a_port_that_is_taken(
    vast: StandIn, certs: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ..harness import use  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = {"vast": serverless(vast, certs.ca), "inspect": {"port": port}}
        with harness.intercept(tmp_path, config) as interceptor:
            use(interceptor, monkeypatch)
            said = interceptor.wait_for(r"There are no dashboard and no metrics: (.*)")[1]
            assert f"port {port} of 127.0.0.1 cannot be used" in said
            assert "Set inspect.port in the configuration" in said
            assert ask().text == TEXT
            watched = Watched(interceptor, Dashboard(harness.unused_port()))
            edit(watched, port=watched.dashboard.port)
            watched.dashboard.wait()
            assert watched.dashboard.metrics()["calls_in_progress"] == 0
            assert "calls_total" in str(watched.dashboard.metrics().samples)
            # Back to the one that is taken, which is not said again and again.
            edit(watched, port=port)
            until(lambda: not watched.dashboard.listens)
            assert ask().text == TEXT
    assert 1 <= interceptor.output.count("There are no dashboard and no metrics") <= 2


@pytest.mark.slow
def test_a_port_that_becomes_free(vast: StandIn, certs: Certificates, tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    dashboard = Dashboard(taken.getsockname()[1])
    config = {"vast": serverless(vast, certs.ca), "inspect": {"port": dashboard.port}}
    with harness.intercept(tmp_path, config) as interceptor:
        interceptor.wait_for("There are no dashboard and no metrics")
        taken.close()
        interceptor.wait_for("Dashboard: http://", 15)
        assert dashboard.get("/healthz").text == "ok\n"
    assert interceptor.output.count("There are no dashboard and no metrics") == 1


def test_the_port_may_change_while_it_runs(watching: Watching) -> None:
    watched = watching()
    ask()
    first, second = watched.dashboard, Dashboard(harness.unused_port())
    edit(watched, port=second.port)
    second.wait()
    assert not first.listens
    assert second.metrics()["calls_total{my-endpoint, chat/completions, ok}"] == 1
    edit(watched, port=0)
    until(lambda: not second.listens)
    assert ask().text == TEXT
    edit(watched, port=first.port)
    first.wait()
    assert first.metrics()["calls_total{my-endpoint, chat/completions, ok}"] == 2


def ports_of(pid: int) -> list[tuple[str, int]]:
    """Where a process listens."""
    connections = psutil.Process(pid).net_connections("inet")
    return [tuple(each.laddr) for each in connections if each.status == psutil.CONN_LISTEN]


@pytest.mark.parametrize("kind", ["mitmdump", "serve"])
@pytest.mark.parametrize("port", [0, 1], ids=["none", "one"])
def test_what_listens(
    vast: StandIn,
    certs: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    port: int,
) -> None:
    """The proxy, the relay, and the dashboard if there is one."""
    from ..harness import use  # noqa: PLC0415

    port = port and harness.unused_port()
    config = {"vast": serverless(vast, certs.ca), "inspect": {"port": port}}
    with harness.intercept(tmp_path, config, kind=kind) as interceptor:
        if port:
            Dashboard(port).wait()
        use(interceptor, monkeypatch)
        assert ask().text == TEXT
        listening = ports_of(interceptor.process.pid)
    assert len(listening) == (3 if port else 2)
    assert {host for host, _ in listening} == {"127.0.0.1"}
    assert (("127.0.0.1", port) in listening) == bool(port)


def test_run_opens_none(tmp_path: Path, vast: StandIn, certs: Certificates) -> None:
    """It ends with its app: nobody could look at it for long."""
    port = harness.unused_port()
    path = harness.write_config(
        tmp_path / "vast.yaml", vast=serverless(vast, certs.ca), inspect={"port": port}
    )
    probe = (
        "import socket, sys, time; time.sleep(1.5);"
        f"sys.exit(socket.socket().connect_ex(('127.0.0.1', {port})) == 0)"
    )
    process = harness.Process(
        *(harness.tool("vast-intercept"), "run", "--config", str(path)),
        *("--", harness.tool("python"), "-c", probe),
        environ=harness.clean_environ(VAST_API_KEY=VAST_KEY, HOME=str(tmp_path)),
    )
    assert process.process.wait(60) == 0, process.output
    assert "dashboard" not in process.output.lower()
