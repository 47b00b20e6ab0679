"""The rules of the person who runs mitmproxy hold for all calls: to answer, block and rewrite."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import requests

from .. import harness
from ..harness import APP_KEY, Certificates, Interceptor, StandIn, error_of
from .test_passing import ANSWER, Provider, config_for, provider, trusting

__all__ = ["provider"]

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}
#: By what becomes of them: where calls go, and their bodies.
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "for Vast": ("v1/chat/completions", CHAT),
    "streamed": ("v1/chat/completions", {**CHAT, "stream": True}),
    "refused": ("v1/images/generations", {"prompt": "hello there"}),
    "passed on": ("v1/embeddings", {"model": "m", "input": "hello there"}),
    "outside": ("dashboard", {"say": "hello there"}),
}
TO_PROVIDER = ("passed on", "outside")
FORMS = ("whole", "chunked", "large")
LARGE = 200_000
EVERY_CALL = pytest.mark.parametrize("kind", CALLS)
EVERY_FORM = pytest.mark.parametrize("form", FORMS)

SCRIPT = """\
from mitmproxy import http
from mitmproxy.addons.intercept import Intercept

addons = [Intercept()]

def requestheaders(flow):
    if flow.request.path.endswith("rule=script"):
        flow.response = http.Response.make(418, b"of the script", {"x-of": "script"})

def response(flow):
    if flow.request.headers.get("x-rule") == "script-answer":
        flow.response.text += "OF THE SCRIPT"
"""


@dataclass(frozen=True)
class Ruled:
    """An interceptor with rules, and those whom it may reach."""

    interceptor: Interceptor
    standin: StandIn
    provider: Provider
    elsewhere: list[bytes]

    def call(self, kind: str, rule: str, form: str = "whole", **headers: str) -> requests.Response:
        """A call that the rule is for."""
        path, body = CALLS[kind]
        data: Any = json.dumps(body | ({"more": "x" * LARGE} if form == "large" else {})).encode()
        if form == "chunked":
            data = iter([data[:10], data[10:]])
        with requests.Session() as session:
            session.trust_env = False
            return session.post(
                f"https://localhost:{self.provider.port}/{path}?rule={rule}",
                data=data,
                headers={
                    "content-type": "application/json",
                    "authorization": f"Bearer {APP_KEY}",
                    "x-rule": rule,  # what filters find once the URL is that of Vast
                    **headers,
                },
                proxies={"https": self.interceptor.url},
                verify=str(self.interceptor.ca),
                timeout=30,
            )

    def nothing_went_out(self) -> bool:
        """Whether neither Vast nor the provider got anything."""
        return self.standin.calls() == [] and self.provider.received == []


class _Elsewhere(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if "transfer-encoding" in self.headers:
            while not body.endswith(b"0\r\n\r\n"):
                body += self.rfile.readline()
        self.server.received.append(body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "9")
        self.end_headers()
        self.wfile.write(b"elsewhere")

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def ruled_interceptor(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ruled]:
    """One with a rule of each kind; calls say in their query which one they are for."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "answer.txt").write_text("of the file")
    (folder / "theirs.py").write_text(SCRIPT)
    with (
        Provider(certs) as provider,
        ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as elsewhere,
    ):
        elsewhere.received = []  # type: ignore[attr-defined]
        for server in (provider, elsewhere):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        rules = [
            "block_list=|~u rule=block|403",
            "block_list=|~u rule=kill|444",
            f"map_local=|rule=local|{folder / 'answer.txt'}",
            f"map_remote=|.*rule=remote|http://localhost:{elsewhere.server_port}/there",
            "modify_body=|~u rule=body & ~q|hello|goodbye",
            "modify_body=|~hq x-rule:.answer & ~s|said|SAID",
            "modify_body=|~hq x-rule:.answer & ~s|object|OBJECT",
            "modify_body=|~hq x-rule:.answer & ~s|message|MESSAGE",
            "modify_headers=|~u rule=headers & ~q|x-added|to the request",
            "modify_headers=|~hq x-rule:.headers & ~s|x-added|to the answer",
            "modify_headers=|~u rule=type & ~q|content-type|text/plain",
            "anticache=true",
            f"stream_large_bodies={LARGE // 2}",
        ]
        options = [word for rule in rules for word in ("--set", rule)]
        config = config_for(_standin, provider, certs.ca, {"embeddings": "pass"})
        with harness.intercept(
            folder / "c", config, *options, "-s", str(folder / "theirs.py"), *trusting(certs.ca)
        ) as interceptor:
            yield Ruled(interceptor, _standin, provider, elsewhere.received)  # type: ignore[attr-defined]
        assert APP_KEY[:-4] not in interceptor.output
        for server in (provider, elsewhere):
            server.shutdown()


@pytest.fixture
def ruled(ruled_interceptor: Ruled, standin: StandIn) -> Ruled:
    """The same, with nothing received yet."""
    assert standin is ruled_interceptor.standin
    ruled_interceptor.provider.received.clear()
    ruled_interceptor.elsewhere.clear()
    return ruled_interceptor


@EVERY_CALL
@EVERY_FORM
class TestAnsweredByAnother:
    def test_block_list(self, kind: str, form: str, ruled: Ruled) -> None:
        answer = ruled.call(kind, "block", form)
        assert (answer.status_code, answer.content) == (403, b"")
        assert ruled.nothing_went_out()

    def test_block_list_without_an_answer(self, kind: str, form: str, ruled: Ruled) -> None:
        with pytest.raises(requests.ConnectionError):
            ruled.call(kind, "kill", form)
        assert ruled.nothing_went_out()

    def test_map_local(self, kind: str, form: str, ruled: Ruled) -> None:
        answer = ruled.call(kind, "local", form)
        assert (answer.status_code, answer.text) == (200, "of the file")
        assert answer.headers["content-type"] == "text/plain"
        assert ruled.nothing_went_out()

    def test_a_script_that_answers_before_the_body(
        self, kind: str, form: str, ruled: Ruled
    ) -> None:
        answer = ruled.call(kind, "script", form)
        assert (answer.status_code, answer.text) == (418, "of the script")
        assert answer.headers["x-of"] == "script"
        assert ruled.nothing_went_out()


@EVERY_CALL
class TestRewritten:
    @EVERY_FORM
    def test_map_remote(self, kind: str, form: str, ruled: Ruled) -> None:
        answer = ruled.call(kind, "remote", form)
        if form == "whole" or kind in TO_PROVIDER:
            assert (answer.status_code, answer.text) == (200, "elsewhere")
            assert len(ruled.elsewhere) == 1
        else:  # its body was with us by then
            assert error_of(answer)["code"] == "edited_call_not_served"
        assert ruled.nothing_went_out()

    @pytest.mark.parametrize("form", ["whole", "chunked"])
    def test_modify_body_of_the_request(self, kind: str, form: str, ruled: Ruled) -> None:
        answer = ruled.call(kind, "body", form)
        if kind in TO_PROVIDER:
            (received,) = ruled.provider.received
            # mitmproxy says itself that it modifies no body that is sent on as it comes.
            assert (b"goodbye there" in received) is (form == "whole")
        elif kind == "refused":
            assert error_of(answer)["code"] == "unsupported_endpoint"
        else:
            assert "You said: goodbye there" in text_of(answer)
            (call,) = ruled.standin.calls()
            assert b"goodbye there" in harness.body_of(call)

    def test_modify_body_of_the_answer(self, kind: str, ruled: Ruled) -> None:
        answer = ruled.call(kind, "answer")
        expected = {"for Vast": "SAID", "streamed": "SAID", "refused": "MESSAGE"}
        assert expected.get(kind, "OBJECT") in answer.text

    @EVERY_FORM
    def test_modify_headers(self, kind: str, form: str, ruled: Ruled) -> None:
        answer = ruled.call(kind, "headers", form)
        assert answer.headers["x-added"] == "to the answer"
        if kind in TO_PROVIDER:
            (received,) = ruled.provider.received
            assert b"x-added: to the request" in received

    def test_modify_headers_that_matter(self, kind: str, ruled: Ruled) -> None:
        answer = ruled.call(kind, "type")
        if kind in TO_PROVIDER:
            (received,) = ruled.provider.received
            assert b"content-type: text/plain" in received.lower()
        elif kind != "refused":
            assert error_of(answer)["code"] == "invalid_content_type"
            assert ruled.nothing_went_out()

    @EVERY_FORM
    def test_anticache(self, kind: str, form: str, ruled: Ruled) -> None:
        ruled.call(kind, "none", form, **{"if-none-match": "x"})
        if kind in TO_PROVIDER:
            (received,) = ruled.provider.received
            assert b"if-none-match" not in received.lower()
            assert f"Bearer {APP_KEY}".encode() in received


def text_of(answer: requests.Response) -> str:
    """The text of an answer, whole or streamed."""
    if "event-stream" not in answer.headers["content-type"]:
        return str(answer.json()["choices"][0]["message"]["content"])
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize("path", ["v1/models", "v1/chat/completions", "v1/embeddings", "dashboard"])
def test_rules_hold_over_http2(path: str, ruled: Ruled) -> None:
    url = f"https://localhost:{ruled.provider.port}/{path}"
    with httpx.Client(
        http2=True,
        verify=harness.http2_only(ruled.interceptor),
        proxy=ruled.interceptor.url,
        timeout=30,
    ) as client:
        for method, content in (("GET", None), ("POST", b"{}"), ("POST", iter([b"{", b"}"]))):
            answer = client.request(method, f"{url}?rule=block", content=content)
            assert (answer.http_version, answer.status_code) == ("HTTP/2", 403)
        assert client.get(f"{url}?rule=script").text == "of the script"
    assert ruled.nothing_went_out()


@pytest.mark.parametrize("kind", ["for Vast", "refused", *TO_PROVIDER])
def test_a_script_changes_the_answer(kind: str, ruled: Ruled) -> None:
    assert "OF THE SCRIPT" in ruled.call(kind, "script-answer").text


def test_without_a_rule_all_is_as_ever(ruled: Ruled) -> None:
    for form in ("whole", "chunked"):
        for kind in ("for Vast", "streamed"):
            assert text_of(ruled.call(kind, "none", form)) == "You said: hello there"
        assert ruled.call("refused", "none", form).status_code == 404
    for form in FORMS:
        for kind in TO_PROVIDER:
            assert ruled.call(kind, "none", form).content == ANSWER
            assert b"ello there" in ruled.provider.received[-1]
    assert error_of(ruled.call("for Vast", "none", "large"))["code"] == "request_too_large"


@pytest.mark.parametrize("way", [("mitmdump",), ("serve", "--full")], ids=["mitmdump", "serve"])
def test_proxyauth(
    way: tuple[str, ...], vast_section: dict[str, Any], standin: StandIn, tmp_path: Path
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        server.received = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own = {"name": "own", "host": "localhost", "port": server.server_port, "scheme": "http"}
        config = {
            "vast": vast_section,
            "providers": [own],
            "unsupported": {"embeddings": "pass"},
        }
        kind, *options = way
        with harness.intercept(
            tmp_path, config, *options, "--proxyauth", "me:word", kind=kind
        ) as interceptor:
            for body in (b"{}", [b"{", b"}"]):
                for path, _ in CALLS.values():
                    url = f"http://localhost:{server.server_port}/{path}"
                    assert through(interceptor, "", url, body).status_code == 407
            assert not standin.calls()
            assert not server.received  # type: ignore[attr-defined]
            statuses = {
                kind: through(
                    interceptor,
                    "me:word@",
                    f"http://localhost:{server.server_port}/{path}",
                    json.dumps(body).encode(),
                ).status_code
                for kind, (path, body) in CALLS.items()
            }
        server.shutdown()
    assert statuses == dict.fromkeys(CALLS, 200) | {"refused": 404}
    assert len(standin.calls()) == 2
    assert len(server.received) == 2  # type: ignore[attr-defined]


def through(interceptor: Interceptor, who: str, url: str, body: Any) -> requests.Response:
    """A call through the proxy, which asks for a name and a password."""
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            url,
            data=body if isinstance(body, bytes) else iter(body),
            headers={"content-type": "application/json"},
            proxies={"http": f"http://{who}127.0.0.1:{interceptor.port}"},
            timeout=30,
        )


HOLDING = """\
import asyncio
from pathlib import Path

from mitmproxy import ctx
from mitmproxy.addons.intercept import Intercept

class Person:
    \"""Lets flows go once the test says so.\"""

    async def running(self):
        self.task = asyncio.create_task(self.look())

    async def look(self):
        go = Path(ctx.options.confdir) / "go"
        while True:
            await asyncio.sleep(0.05)
            if go.exists():
                for flow in held:
                    flow.resume()

    async def request(self, flow):
        if flow.intercepted:
            print("holds the request", flush=True)
            held.append(flow)

    async def response(self, flow):
        if flow.intercepted:
            print("holds the answer", flush=True)
            held.append(flow)

held = []
addons = [Intercept(), Person()]
"""


@pytest.mark.parametrize("form", ["whole", "chunked"])
def test_intercept(
    form: str,
    standin: StandIn,
    provider: Provider,
    certs: Certificates,
    tmp_path: Path,
) -> None:
    (tmp_path / "person.py").write_text(HOLDING)
    config = config_for(standin, provider, certs.ca, {"embeddings": "pass"})
    with (
        harness.intercept(
            tmp_path / "c",
            config,
            *("-s", str(tmp_path / "person.py"), "--set", "intercept=~m POST"),
            *trusting(certs.ca),
        ) as interceptor,
        ThreadPoolExecutor() as pool,
    ):
        ruled = Ruled(interceptor, standin, provider, [])
        go = tmp_path / "c" / "go"
        for number, kind in enumerate(CALLS, 1):
            standin.forget_calls()
            provider.received.clear()
            answer = pool.submit(ruled.call, kind, "none", form)
            interceptor.wait_for(rf"(?s)(holds the request.*?){{{number}}}")
            assert ruled.nothing_went_out()
            go.touch()
            interceptor.wait_for(rf"(?s)(holds the answer.*?){{{number}}}")
            assert answer.result(30).status_code == (404 if kind == "refused" else 200)
            go.unlink()


def test_a_large_body_is_passed_on_as_it_comes(
    vast_section: dict[str, Any], tmp_path: Path
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Counting) as server:
        server.counted = 0  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own = {"name": "own", "host": "localhost", "port": server.server_port, "scheme": "http"}
        config = {
            "vast": vast_section,
            "providers": [own],
            "unsupported": "pass",
        }
        url = f"http://localhost:{server.server_port}/v1/files"
        with harness.intercept(tmp_path, config) as interceptor:
            process = psutil.Process(interceptor.process.pid)
            before = process.memory_info().rss
            for body in (b"x" * HUGE, [b"x" * 100_000] * (HUGE // 100_000)):
                assert through(interceptor, "", url, body).status_code == 200
            assert process.memory_info().rss - before < HUGE // 2
        server.shutdown()
        assert server.counted >= 2 * HUGE  # type: ignore[attr-defined]


HUGE = 200_000_000


class _Counting(_Elsewhere):
    def do_POST(self) -> None:
        left = int(self.headers.get("content-length", HUGE))
        while left > 0 and (piece := self.rfile.read1(1_000_000)):
            self.server.counted += len(piece)  # type: ignore[attr-defined]
            left -= len(piece)
        while not piece.endswith(b"0\r\n\r\n") and "transfer-encoding" in self.headers:
            piece = self.rfile.read1(1_000_000)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
