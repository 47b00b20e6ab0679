"""No key is in anything that is written, shown or logged, wherever in a request it stood."""

import asyncio
import contextlib
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .. import harness
from ..harness import Certificates, Interceptor, StandIn

# Of the form that OpenAI's have; and of none, in places that are known for keys.
SHAPED = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"
ANY = "QqWwEeRrTtYyUuIiOoPpAaSsDdFfGgHhJjKkLl"
COOKIE = "ZzXxCcVvBbNnMmQqWwEeRrTtYyUuIiOoPpLlKk"
SECRETS = [SHAPED, ANY, COOKIE]
BODY = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'


class Provider(socketserver.ThreadingTCPServer):
    """Repeats every key that it is sent, in its error and in its headers, and sets a cookie."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, vast: str = "") -> None:
        super().__init__(("0.0.0.0", 0), _Handler)
        self.vast = vast
        self.received: list[bytes] = []
        self.silent = False
        self.was_asked = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are part of the tests."""


class _Handler(socketserver.StreamRequestHandler):
    server: Provider

    def handle(self) -> None:
        head = b""
        while (line := self.rfile.readline()).strip():
            head += line
        self.server.received.append(head)
        self.server.was_asked.set()
        if self.server.silent:
            self.rfile.read()
            return
        keys = [each for each in (SHAPED, ANY) if each.encode() in head]
        error = {"message": f"Incorrect API key provided: {keys}.", "code": "invalid_api_key"}
        body = json.dumps({"error": error}).encode()
        self.wfile.write(
            b"HTTP/1.1 401 No\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Set-Cookie: session=%s; Path=/\r\nX-Said: %s\r\nContent-Length: %d\r\n\r\n%s"
            % (COOKIE.encode(), " ".join(keys).encode(), len(body), body)
        )


@pytest.fixture(scope="module")
def provider(_standin: StandIn) -> Iterator[Provider]:
    with Provider(_standin.url) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def config_for(provider: Provider, **more: Any) -> dict[str, Any]:
    """Vast's certificate is not trusted: all goes to the provider, in one way or the other."""
    local = {"port": provider.port, "scheme": "http"}
    return {
        "vast": {"endpoint": harness.ENDPOINT, "openai_url": provider.vast},
        "providers": [
            "openai",
            "anthropic",
            {**local, "name": "own", "host": "127.0.0.1"},
            {**local, "name": "messages", "host": "127.0.0.2", "api": "anthropic"},
        ],
        "routes": [{"model": "*", "endpoint": harness.ENDPOINT, "fallback": ["provider"]}],
        "unsupported": {"embeddings": "pass", "files": "pass"},
        **more,
    }


def assert_no_key(shown: bytes | str, where: str) -> None:
    data = shown.encode(errors="replace") if isinstance(shown, str) else shown
    for key in SECRETS:
        at = data.find(key[:-4].encode())
        assert at < 0, f"{where} has a key: {data[max(at - 200, 0) : at + 100]!r}"


# --- what apps send ---------------------------------------------------------------------------

#: Lines of a head, and whether the request is valid HTTP.
HEADERS = [
    f"Authorization: Bearer {ANY}",
    f"authorization: {ANY}",
    f"Authorization:Basic {ANY}",
    f"Authorization : Bearer {ANY}",
    f"Authorization\t: {ANY}",
    f"Authorization Bearer {ANY}",
    f"Authorization Bearer: {ANY}",
    f"Authorization: Bearer\r\n {ANY}",
    f" Authorization: Bearer {ANY}",
    f": {ANY}",
    f"Api-Key: {ANY}",
    f"api_key: {ANY}",
    f"X-API-KEY: {ANY}",
    f"x-goog-api-key: {ANY}",
    f"Ocp-Apim-Subscription-Key: {ANY}",
    f"Proxy-Authorization: Basic {ANY}",
    f"Cookie: a=b; session={ANY}",
    f"X-Auth-Token: {ANY}",
    f"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{ANY}",
    f"X-Other: {SHAPED}",
    f"X-Request-Id: {SHAPED}",
    f"User-Agent: app/1 {SHAPED}",
    f"Origin: https://{SHAPED}.example",
    f"Accept: {SHAPED}",
    f"Expect: {SHAPED}",
    f"Content-Type: {SHAPED}",
    f"Content-Encoding: {SHAPED}",
    f"Access-Control-Request-Headers: {SHAPED}",
    f"{SHAPED}: x",
    f"Transfer-Encoding: {ANY}",
    f"Transfer-Encoding: chunked\r\nContent-Length: 1\r\nAuthorization: Bearer {ANY}",
    f"Content-Length: {ANY}",
    f"Content-Length: 1\r\nContent-Length: {ANY}",
    f"Host: {SHAPED}",
    f"Connection: {SHAPED}",
    f"\xff{ANY}: {ANY}",
]
TARGETS = [
    "/v1/{path}",
    f"/v1/{{path}}?key={ANY}",
    f"/v1/{{path}}?a=b&api-key={ANY}&c=d",
    f"/v1/{{path}}?apikey={ANY}",
    f"/v1/{{path}}?a=b;token={ANY}",
    f"/v1/{{path}}?%74oken={ANY}",
    f"/v1/{{path}}?access_token={ANY}#x",
    f"/v1/{{path}}?x={SHAPED}",
    f"/v1/{{path}}#{SHAPED}",
    f"/v1/{{path}}/{SHAPED}",
    f"/v1/engines/{SHAPED}/{{path}}",
    f"/{SHAPED}/../v1/{{path}}",
    f"/v1/models/{SHAPED}",
    f"/{SHAPED}",
    f"/v1/{{path}}?key={ANY} {ANY}",
]
METHODS = ["POST", "POST", "POST", "GET", "OPTIONS", SHAPED, f"{ANY} POST"]
PATHS = ["chat/completions", "embeddings", "images", "files", "completions", "messages"]
HOSTS = ["{provider}", "api.openai.com", "api.anthropic.com", "vast-intercept.internal"]


@dataclass
class Sent:
    """A request as bytes, and how it is sent."""

    method: str
    host: str
    target: str
    headers: list[str]
    body: bytes = BODY
    tunnel: bool = False
    version: str = "HTTP/1.1"
    drop: int | None = None
    cut: bool = False
    pieces: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.tunnel and not self.method.isalpha():
            self.method = "POST"  # mitmproxy takes others for raw TCP
            self.pieces = []

    def data(self, provider: str) -> bytes:
        host = self.host.format(provider=provider)
        target = self.target
        if not self.tunnel:
            target = f"http://{host}{target}"
        first = f"{self.method} {target} {self.version}"
        lines = [first, *self.headers]
        if not any(each.startswith("Host") for each in self.headers):
            lines.append(f"Host: {host}")
        if not any("Content-Length" in each or "Transfer" in each for each in self.headers):
            lines.append(f"Content-Length: {len(self.body)}")
        if not any(each.startswith("Content-Type") for each in self.headers):
            lines.append("Content-Type: application/json")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if self.drop is not None:
            # One of those that HTTP is made of, behind the first line.
            found = [at for at in range(len(first), len(head)) if head[at] in b"\r\n\t :,;="]
            at = found[self.drop % len(found)]
            head = head[:at] + head[at + 1 :]
        if self.cut:
            return head[: len(head) - 4]
        return head + self.body


def send(port: int, sent: Sent, provider: str) -> None:
    """Sends it, and reads what comes back, until it is there or the connection ends."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as client:
        client.settimeout(10)
        if sent.tunnel:
            host = sent.host.format(provider=provider)
            client.sendall(
                f"CONNECT {host if ':' in host else host + ':80'} HTTP/1.1\r\n"
                f"Proxy-Authorization: Bearer {ANY}\r\n\r\n".encode()
            )
            if b" 200 " not in client.recv(1000):
                return
        data = sent.data(provider)
        start = 0
        for end in [*sorted(at % len(data) for at in sent.pieces), len(data)]:
            client.sendall(data[start:end])
            start = end
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass


TRIED = st.builds(
    Sent,
    method=st.sampled_from(METHODS),
    host=st.sampled_from(HOSTS[:1] * 4 + HOSTS),
    target=st.builds(
        lambda target, path: target.format(path=path),
        st.sampled_from(TARGETS),
        st.sampled_from(PATHS),
    ),
    headers=st.lists(st.sampled_from(HEADERS), max_size=3),
    tunnel=st.booleans(),
    version=st.sampled_from(["HTTP/1.1"] * 4 + ["HTTP/1.0", f"HTTP/{ANY}"]),
    drop=st.one_of(st.none(), st.integers(0, 400)),
    cut=st.sampled_from([False] * 5 + [True]),
    pieces=st.lists(st.integers(20, 400), max_size=2),
)


def send_all(interceptor: Interceptor, provider: Provider, examples: int) -> None:
    """Each place by itself, and many at once in any combination."""
    name = f"127.0.0.1:{provider.port}"
    alone = [
        Sent("POST", HOSTS[0], f"/v1/{path}", [header], tunnel=tunnel)
        for header in HEADERS
        for path, tunnel in ((PATHS[0], False), (PATHS[1], True))
    ]
    alone += [
        Sent("POST", f"127.0.0.2:{provider.port}", f"/v1/{path}", [header])
        for header in HEADERS
        for path in ("messages", "files")
    ]
    alone += [
        Sent("GET", host, target.format(path=path), HEADERS[:1])
        for target in TARGETS
        for host, path in ((HOSTS[0], PATHS[1]), (HOSTS[0], PATHS[2]), (HOSTS[-1], "x"))
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: send(interceptor.port, each, name), alone))

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TRIED)
    def any_of_them(sent: Sent) -> None:
        send(interceptor.port, sent, name)

    any_of_them()
    send_over_http2(interceptor)


def send_over_http2(interceptor: Interceptor) -> None:
    """Keys where HTTP/2 has them. Trailers are what httpx does not send."""
    with httpx.Client(
        proxy=interceptor.url, verify=harness.http2_only(interceptor), http2=True, timeout=20
    ) as client:
        for header in HEADERS:
            name, _, value = header.partition(": ")
            for url in ("https://api.openai.com/v1/images", "https://api.anthropic.com/v1/files"):
                with contextlib.suppress(httpx.HTTPError, UnicodeError, ValueError, IndexError):
                    headers = {name.strip().lower(): value}
                    client.post(url, content=BODY, headers=headers)
        for target in TARGETS:
            with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
                client.get(f"https://api.openai.com{target.format(path='files')}")


OPTIONS = ["-v", "--set", "proxy_debug=true", "--set", "flow_detail=4"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param([], id="as it is"),
        pytest.param(
            ["--set", "store_streamed_bodies=true", "--set", "validate_inbound_headers=false"],
            id="streams stored, headers not validated",
        ),
    ],
)
def test_no_key_in_files_and_in_the_log_at_its_most_talkative(
    provider: Provider, tmp_path: Path, more: list[str]
) -> None:
    flows, har = tmp_path / "flows", tmp_path / "flows.har"
    dashboard = harness.unused_port()
    config = config_for(provider, inspect={"port": dashboard, "show_prompts": True})
    options = [*OPTIONS, *more, "-w", str(flows), "--set", f"hardump={har}"]
    with harness.intercept(tmp_path, config, *options) as interceptor:
        send_all(interceptor, provider, 40)
        for page in ("", "state", "metrics", "readyz"):
            answer = requests.get(f"http://127.0.0.1:{dashboard}/{page}", timeout=20)
            assert_no_key(answer.content, f"the dashboard's /{page}")
        provider.received.clear()
        headers = {"Authorization": f"Bearer {ANY}", "X-Other": SHAPED, "Accept-Encoding": "gzip"}
        answer = requests.post(
            f"http://127.0.0.1:{provider.port}/v1/embeddings?token={ANY}&a=%20",
            data=BODY,
            headers=headers,
            proxies={"http": interceptor.url},
            timeout=20,
        )
    assert_no_key(interceptor.output, "the log")
    assert_no_key(flows.read_bytes(), "the flow file")
    assert_no_key(har.read_bytes(), "the HAR file")
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert_no_key(file.read_bytes(), str(file))
    # While the provider gets what the app has sent, and the app what the provider says.
    (head,) = provider.received
    assert f"/v1/embeddings?token={ANY}&a=%20 ".encode() in head
    assert f"Authorization: Bearer {ANY}".encode() in head
    assert f"X-Other: {SHAPED}".encode() in head
    assert answer.cookies["session"] == COOKIE
    assert answer.headers["x-said"] == f"{SHAPED} {ANY}"
    assert ANY in answer.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_of_the_provider_that_was_fallen_back_to_does_not_repeat_the_key(
    provider: Provider, tmp_path: Path, stream: bool
) -> None:
    flows = tmp_path / "flows"
    with harness.intercept(tmp_path, config_for(provider), "-w", str(flows)) as interceptor:
        provider.received.clear()
        answer = requests.post(
            f"http://127.0.0.1:{provider.port}/v1/chat/completions",
            data=BODY[:-1] + b',"stream":true}' if stream else BODY,
            headers={"Authorization": f"Bearer {ANY}", "Content-Type": "application/json"},
            proxies={"http": interceptor.url},
            timeout=20,
        )
    assert provider.received, answer.text
    assert ANY.encode() in provider.received[-1]
    assert harness.error_of(answer)["code"] == "invalid_api_key"
    assert f"***{ANY[-4:]}" in harness.error_of(answer)["message"]
    assert_no_key(flows.read_bytes(), "the flow file")


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_of_anthropics_kind_does_not_repeat_the_key(
    provider: Provider, tmp_path: Path, stream: bool
) -> None:
    flows = tmp_path / "flows"
    asked = {**json.loads(BODY), "stream": stream}
    with harness.intercept(tmp_path, config_for(provider), "-w", str(flows)) as interceptor:
        provider.received.clear()
        answer = requests.post(
            f"http://127.0.0.2:{provider.port}/v1/messages",
            json=asked,
            headers={"X-API-Key": ANY},
            proxies={"http": interceptor.url},
            timeout=20,
        )
    assert provider.received, answer.text
    assert ANY.encode() in provider.received[-1]
    assert answer.json()["type"] == "error"
    assert f"***{ANY[-4:]}" in answer.json()["error"]["message"]
    assert f"***{ANY[-4:]}".encode() in flows.read_bytes()
    assert_no_key(flows.read_bytes(), "the flow file")
    assert_no_key(interceptor.output, "the log")


class Watched(threading.Thread):
    """Reads mitmweb's list of flows again and again, and all that it tells its pages."""

    def __init__(self, url: str, password: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._headers = {"Authorization": f"Bearer {password}"}
        self._ended = threading.Event()
        self.seen: list[bytes] = []
        self.problem: BaseException | None = None
        self.listening = threading.Event()

    def run(self) -> None:
        try:
            asyncio.run(self._watch())
        except BaseException as error:  # noqa: BLE001  (told in `stop`)
            self.problem = error
            self.listening.set()

    async def _watch(self) -> None:
        async with (
            aiohttp.ClientSession(headers=self._headers, trust_env=False) as session,
            session.ws_connect(f"{self._url}/updates") as updates,
        ):
            self.listening.set()
            listening = asyncio.create_task(self._listen(updates))
            while not self._ended.is_set():
                for path in ("flows", "events"):
                    async with session.get(f"{self._url}/{path}") as answer:
                        self.seen.append(await answer.read())
                await asyncio.sleep(0.02)
            listening.cancel()

    async def _listen(self, updates: aiohttp.ClientWebSocketResponse) -> None:
        async for message in updates:
            self.seen.append(str(message.data).encode())

    def stop(self) -> bytes:
        self._ended.set()
        self.join(20)
        assert self.problem is None
        return b"\n".join(self.seen)


def test_no_key_in_mitmweb_at_any_moment(provider: Provider, tmp_path: Path) -> None:
    port = harness.unused_port()
    options = ["--set", "web_open_browser=false", "--set", f"web_port={port}"]
    options += ["--set", "web_password=for-this-test", "--set", "store_streamed_bodies=true"]
    config = config_for(provider)
    with harness.intercept(tmp_path, config, *options, kind="mitmweb") as interceptor:
        interceptor.wait_for("Web server listening")
        url = f"http://127.0.0.1:{port}"
        watched = Watched(url, "for-this-test")
        watched.start()
        assert watched.listening.wait(20)
        send_all(interceptor, provider, 20)
        seen = watched.stop()
        assert b"/v1/embeddings" in seen
        assert b"***" in seen
        assert_no_key(seen, "what mitmweb's pages get")
        session = requests.Session()
        session.headers["authorization"] = "Bearer for-this-test"
        for flow in session.get(f"{url}/flows", timeout=20).json():
            for message in ("request", "response"):
                if (flow.get(message) or {}).get("contentLength") is None:
                    continue
                path = f"{url}/flows/{flow['id']}/{message}/content.data"
                assert_no_key(session.get(path, timeout=20).content, "a body in mitmweb")
    assert_no_key(interceptor.output, "the log")


def test_no_key_in_a_call_that_is_under_way_at_the_end(provider: Provider, tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    options = ["-w", str(flows), "--set", "store_streamed_bodies=true"]
    provider.silent = True
    provider.was_asked.clear()
    try:
        with (
            harness.intercept(tmp_path, config_for(provider), *options) as interceptor,
            socket.create_connection(("127.0.0.1", interceptor.port), 20) as client,
        ):
            sent = Sent(
                "POST", HOSTS[0], f"/v1/embeddings?key={ANY}", [f"Authorization: Bearer {ANY}"]
            )
            client.sendall(sent.data(f"127.0.0.1:{provider.port}"))
            assert provider.was_asked.wait(20)
    finally:
        provider.silent = False
    assert ANY.encode() in provider.received[-1]
    saved = flows.read_bytes()
    assert b"/v1/embeddings" in saved
    assert_no_key(saved, "the flow file")


def test_keys_that_another_addon_adds_are_hidden_and_sent(
    provider: Provider, tmp_path: Path
) -> None:
    flows = tmp_path / "flows"
    options = ["-w", str(flows), "--modify-headers", f"/~q/Authorization/Bearer {ANY}"]
    with harness.intercept(tmp_path, config_for(provider), *options) as interceptor:
        provider.received.clear()
        requests.post(
            f"http://127.0.0.1:{provider.port}/v1/embeddings",
            data=BODY,
            headers={"Authorization": f"Bearer {SHAPED}"},
            proxies={"http": interceptor.url},
            timeout=20,
        )
    (head,) = provider.received
    assert f"Bearer {ANY}".encode() in head
    assert SHAPED.encode() not in head
    assert_no_key(flows.read_bytes(), "the flow file")


def test_a_replayed_call_has_no_key(provider: Provider, tmp_path: Path) -> None:
    """Whoever may replay a call with mitmproxy does not get to use the app's key."""
    flows = tmp_path / "flows"
    config = config_for(provider)
    options = ["-w", str(flows), "--set", "store_streamed_bodies=true"]
    with harness.intercept(tmp_path / "first", config, *options) as interceptor:
        requests.post(
            f"http://127.0.0.1:{provider.port}/v1/embeddings",
            data=BODY,
            headers={"Authorization": f"Bearer {ANY}"},
            proxies={"http": interceptor.url},
            timeout=20,
        )
    provider.received.clear()
    provider.was_asked.clear()
    with harness.intercept(tmp_path / "second", config, "-C", str(flows)):
        assert provider.was_asked.wait(20)
    assert f"Bearer ***{ANY[-4:]}".encode() in provider.received[0]


def test_keys_in_tls_and_http2_of_a_call_that_is_passed_on(
    certs: Certificates, tmp_path: Path
) -> None:
    """The provider speaks HTTP/1 here, the app HTTP/2: what is sent is made of another copy."""
    with Provider() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certs.certificate, certs.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = {
            "providers": [{"name": "own", "host": "localhost", "port": server.port}],
            "unsupported": "pass",
        }
        flows = tmp_path / "flows"
        options = ["-w", str(flows), "--set", f"ssl_verify_upstream_trusted_ca={certs.ca}"]
        with harness.intercept(tmp_path, config, *options) as interceptor:
            verify = harness.http2_only(interceptor)
            with httpx.Client(proxy=interceptor.url, verify=verify, http2=True) as client:
                answer = client.post(
                    f"https://localhost:{server.port}/v1/embeddings?apikey={ANY}",
                    headers={"authorization": f"Bearer {ANY}", "x-other": SHAPED},
                    content=BODY,
                )
        server.shutdown()
    assert answer.http_version == "HTTP/2"
    assert answer.headers["set-cookie"] == f"session={COOKIE}; Path=/"
    (head,) = server.received
    assert f"?apikey={ANY} ".encode() in head
    assert f"Bearer {ANY}".encode() in head
    assert SHAPED.encode() in head
    assert_no_key(flows.read_bytes(), "the flow file")
