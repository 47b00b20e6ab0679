"""What apps get wrong: each gets a clear answer of OpenAI's shape, and nothing reaches Vast."""

import gzip
import json
import socket
import ssl
import zlib
from pathlib import Path
from typing import Any

import brotli
import httpx
import psutil
import pytest
import requests
import zstandard
from mitmproxy import http
from mitmproxy.io import FlowReader

from .. import harness
from ..harness import Interceptor, StandIn, error_of, http2_only, use

URL = "https://api.openai.com/v1/chat/completions"
JSON = {"content-type": "application/json"}
GOOD = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()

BODIES = {
    "empty": (b"", "invalid_json", None),
    "blank": (b" \n", "invalid_json", None),
    "not JSON": (b"hello", "invalid_json", None),
    "an array": (b"[]", "invalid_json", None),
    "cut": (GOOD[:-5], "invalid_json", None),
    "with a BOM": (b"\xef\xbb\xbf" + GOOD, "invalid_json", None),
    "UTF-16": (GOOD.decode().encode("utf-16"), "invalid_json", None),
    "invalid UTF-8": (GOOD.replace(b"hi", b"\xff\xfe"), "invalid_json", None),
    "nested 10,000 deep": (
        b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        "invalid_json",
        None,
    ),
    "without messages": (b'{"model":"m"}', "missing_required_parameter", "messages"),
    "messages null": (b'{"messages":null}', "missing_required_parameter", "messages"),
    "messages a text": (b'{"messages":"hi"}', "invalid_type", "messages"),
    "messages of texts": (b'{"messages":["hi"]}', "invalid_type", "messages[0]"),
    "stream a text": (b'{"messages":[],"stream":"yes"}', "invalid_type", "stream"),
    "model a number": (b'{"messages":[],"model":4}', "invalid_type", "model"),
    "audio wanted": (b'{"messages":[],"audio":{}}', "unsupported_parameter", "audio"),
    "speech wanted": (
        b'{"messages":[],"modalities":["text","audio"]}',
        "unsupported_parameter",
        "modalities",
    ),
}


@pytest.mark.usefixtures("mitmdump")
class TestBodies:
    @pytest.mark.parametrize(("body", "code", "param"), BODIES.values(), ids=BODIES.keys())
    def test_is_refused_here(
        self, body: bytes, code: str, param: str | None, standin: StandIn
    ) -> None:
        answer = requests.post(URL, data=body, headers=JSON, timeout=30)
        error = error_of(answer)
        assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
        assert error["type"] == "invalid_request_error"
        assert answer.headers["x-should-retry"] == "false"
        assert standin.calls() == []

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", ""]
    )
    def test_wrong_content_type(self, content_type: str, standin: StandIn) -> None:
        answer = requests.post(URL, data=GOOD, headers={"content-type": content_type}, timeout=30)
        assert answer.status_code == 400
        assert error_of(answer)["code"] == "invalid_content_type"
        assert standin.calls() == []

    @pytest.mark.parametrize(
        ("encoding", "body", "code"),
        [
            ("gzip", GOOD, "invalid_encoding"),
            ("gzip", gzip.compress(GOOD)[:-10], "invalid_encoding"),
            ("br", GOOD, "invalid_encoding"),
            ("compress", GOOD, "unsupported_encoding"),
        ],
        ids=["not gzip", "cut gzip", "not brotli", "compress"],
    )
    def test_wrong_encoding(self, encoding: str, body: bytes, code: str) -> None:
        headers = {**JSON, "content-encoding": encoding}
        answer = requests.post(URL, data=body, headers=headers, timeout=30)
        assert answer.status_code == 400
        assert error_of(answer)["code"] == code

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
    def test_encodings_of_all_kinds_are_undone(self, encoding: str, standin: StandIn) -> None:
        half = len(GOOD) // 2
        body = {
            "gzip": gzip.compress(GOOD[:half]) + gzip.compress(GOOD[half:]),
            "deflate": zlib.compress(GOOD, wbits=-15),  # as some clients have it, without a header
            "br": brotli.compress(GOOD),
            "zstd": zstandard.compress(GOOD[:half]) + zstandard.compress(GOOD[half:]),
        }[encoding]
        headers = {**JSON, "content-encoding": encoding}
        answer = requests.post(URL, data=body, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        call = standin.calls()[-1]
        assert harness.body_of(call) == GOOD.replace(b'"m"', b'""', 1)
        assert "content-encoding" not in {name.lower() for name, _ in call["headers"]}


PATHS = {
    "doubled slash": "/v1//chat/completions",
    "dot segments": "/v1/x/../chat/./completions",
    "percent-encoded": "/v1/ch%61t/completions",
    "encoded dots": "/v1/x/%2e%2e/chat/completions",
    "trailing slash": "/v1/chat/completions/",
}


def post_raw(interceptor: Interceptor, path: str, method: str = "POST") -> int:
    """Posts a good body to exactly this path, and returns the status."""
    context = ssl.create_default_context(cafile=str(interceptor.ca))
    with socket.create_connection(("127.0.0.1", interceptor.port), timeout=20) as raw:
        raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
        assert b"200" in raw.recv(1000)
        with context.wrap_socket(raw, server_hostname="api.openai.com") as tls:
            head = f"{method} {path} HTTP/1.1\r\nhost: api.openai.com\r\n"
            head += f"content-type: application/json\r\ncontent-length: {len(GOOD)}\r\n\r\n"
            tls.sendall(head.encode() + GOOD)
            return int(tls.recv(100).split()[1])


class TestPaths:
    @pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
    def test_is_understood(self, path: str, mitmdump: Interceptor, standin: StandIn) -> None:
        assert post_raw(mitmdump, path) == 200
        assert standin.calls()[0]["path"].endswith("/v1/chat/completions")

    @pytest.mark.parametrize("path", ["/v1//embeddings", "/v1/%65mbeddings", "/x/../v1/embeddings"])
    def test_no_spelling_gets_past_a_refusal(self, path: str, mitmdump: Interceptor) -> None:
        assert post_raw(mitmdump, path) == 404

    def test_old_paths_mean_what_they_meant(self, mitmdump: Interceptor, standin: StandIn) -> None:
        assert mitmdump.port
        answer = requests.post(
            "https://api.openai.com/v1/engines/gpt-4-base/completions",
            json={"prompt": "def main("},
            timeout=30,
        )
        assert answer.json()["object"] == "text_completion"
        assert standin.calls()[0]["path"] == "/big-one/v1/completions"

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "BREW"])
    def test_a_method_that_does_not_fit(self, method: str, mitmdump: Interceptor) -> None:
        assert post_raw(mitmdump, "/v1/chat/completions", method) in {400, 404}


@pytest.mark.usefixtures("mitmdump")
def test_a_websocket_is_refused_with_an_answer() -> None:
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = requests.get("https://api.openai.com/v1/realtime?model=m", headers=headers, timeout=20)
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "unsupported_endpoint"


def test_a_body_of_no_declared_length_is_served_and_kept_with_the_flow(
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flows = tmp_path / "flows"
    pieces = (GOOD[:10], GOOD[10:])
    config = {"vast": vast_section}
    with harness.intercept(tmp_path, config, "-w", str(flows)) as interceptor:
        use(interceptor, monkeypatch)
        answer = requests.post(URL, data=iter(pieces), headers=JSON, timeout=30)
        assert answer.status_code == 200
    assert json.loads(harness.body_of(standin.calls()[0]))["messages"]
    with flows.open("rb") as file:
        (flow,) = FlowReader(file).stream()
    assert isinstance(flow, http.HTTPFlow)
    assert flow.request.content == GOOD


class TestTooLarge:
    """Work and memory are bounded; the answer names the limit and how to change it."""

    def test_declared_length(self, mitmdump: Interceptor, standin: StandIn) -> None:
        assert_too_large(mitmdump, b"x" * 100_000_000)
        assert standin.calls() == []

    def test_chunks_without_a_length(self, mitmdump: Interceptor, standin: StandIn) -> None:
        assert_too_large(mitmdump, (b"x" * 100_000 for _ in range(1000)))
        assert standin.calls() == []

    def test_http2_without_a_length(self, mitmdump: Interceptor, standin: StandIn) -> None:
        process = psutil.Process(mitmdump.process.pid)
        before = process.memory_info().rss
        with httpx.Client(http2=True, verify=http2_only(mitmdump), timeout=60) as client:
            body = (b"x" * 100_000 for _ in range(1000))
            answer = client.post(URL, content=body, headers=JSON)
        assert answer.http_version == "HTTP/2"
        assert answer.status_code == 413
        assert process.memory_info().rss - before < 300_000_000
        assert standin.calls() == []

    def test_gzip_bomb(self, mitmdump: Interceptor, standin: StandIn) -> None:
        compressor = zlib.compressobj(wbits=31)
        zeros = bytes(10_000_000)
        bomb = b"".join(compressor.compress(zeros) for _ in range(200)) + compressor.flush()
        assert len(bomb) < 3_000_000
        said = assert_too_large(mitmdump, bomb, **{"content-encoding": "gzip"})
        assert "16,777,216 bytes when its content encoding is undone" in said
        assert standin.calls() == []

    def test_the_limit_can_be_changed(
        self,
        vast_section: dict[str, Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        config = {"vast": vast_section}
        option = ("--set", "stream_large_bodies=10k")
        with harness.intercept(tmp_path, config, *option) as interceptor:
            use(interceptor, monkeypatch)
            answer = requests.post(URL, data=b"x" * 20_000, headers=JSON, timeout=30)
            assert answer.status_code == 413
            assert "10,240 bytes" in error_of(answer)["message"]
            assert requests.post(URL, data=GOOD, headers=JSON, timeout=30).status_code == 200


def assert_too_large(interceptor: Interceptor, body: Any, **headers: str) -> str:
    """Returns what the app is told."""
    process = psutil.Process(interceptor.process.pid)
    before = process.memory_info().rss
    answer = requests.post(URL, data=body, headers={**JSON, **headers}, timeout=60)
    assert answer.status_code == 413
    error = error_of(answer)
    assert error["code"] == "request_too_large"
    # The limit is 64 MiB; a copy or two of that much may be alive at a time.
    assert process.memory_info().rss - before < 300_000_000
    message: str = error["message"]
    return message
