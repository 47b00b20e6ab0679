"""Neither key is in anything that a run shows or leaves behind, and a replay needs neither."""

import json
import socket
import ssl
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from mitmproxy import http
from mitmproxy.io import FlowReader

from .. import harness
from ..harness import APP_KEY, VAST_KEY, Interceptor, StandIn, use

MESSAGES: Any = [{"role": "user", "content": "hello there"}]
WEB_PASSWORD = "for-this-test-only"


def make_calls_of_every_kind() -> None:
    """Served, streamed, refused and failed calls, with the app's key in every place for it."""
    client = openai.OpenAI(max_retries=0)
    client.chat.completions.create(model="m", messages=MESSAGES)
    list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    told: list[dict[str, Any]] = [
        {"status": 401},
        {"fault": "drop"},
        {"fault": "cut", "chunks": 10},
        {"fault": "garbage"},
    ]
    for standin in told:
        with pytest.raises(openai.APIError):
            list(
                client.chat.completions.create(
                    model="m", messages=MESSAGES, stream=True, extra_body={"standin": standin}
                )
            )
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="m", input="x")
    url = "https://api.openai.com/v1/chat/completions"
    for headers in ({"api-key": APP_KEY}, {"x-api-key": APP_KEY}, {"authorization": APP_KEY}):
        requests.post(url, json={"messages": MESSAGES}, headers=headers, timeout=30)
    requests.post(f"{url}?api-key={APP_KEY}", json={"messages": MESSAGES}, timeout=30)
    requests.get("https://api.openai.com/v1/models", headers={"api-key": APP_KEY}, timeout=30)
    requests.get(
        "https://api.openai.com/v1/realtime",
        headers={
            "connection": "upgrade",
            "upgrade": "websocket",
            "sec-websocket-protocol": f"realtime, openai-insecure-api-key.{APP_KEY}",
        },
        timeout=30,
    )


def make_an_invalid_request(interceptor: Interceptor) -> None:
    """A request that mitmproxy itself refuses, after the headers with the key have come."""
    context = ssl.create_default_context(cafile=str(interceptor.ca))
    with socket.create_connection(("127.0.0.1", interceptor.port), timeout=30) as raw:
        raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
        assert b"200" in raw.recv(1000)
        with context.wrap_socket(raw, server_hostname="api.openai.com") as tls:
            tls.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: api.openai.com\r\n"
                b"authorization: Bearer " + APP_KEY.encode() + b"\r\n"
                b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            assert b"400" in tls.recv(1000)


def assert_no_key(text: str | bytes, where: str) -> None:
    """Neither key is there, nor most of one."""
    data = text.encode() if isinstance(text, str) else text
    for key in (VAST_KEY, APP_KEY):
        assert key[:-4].encode() not in data, f"{where} has a key"


def everything_on(port: int) -> bytes:
    """What the dashboard's port has to read."""
    session = requests.Session()
    session.trust_env = False
    paths = ("/", "/dashboard.js", "/state", "/metrics", "/readyz", "/healthz", "/elsewhere")
    answers = [session.get(f"http://127.0.0.1:{port}{path}", timeout=30) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * 6 + [404]
    return b"\n".join(str(answer.headers).encode() + answer.content for answer in answers)


@pytest.mark.parametrize(
    ("kind", "log"), [("mitmdump", "text"), ("serve", "text"), ("serve", "json")]
)
def test_no_key_in_console_flow_file_har_and_dashboard(
    kind: str,
    log: str,
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flows, har = tmp_path / "flows", tmp_path / "flows.har"
    options = ["-w", str(flows), "--set", f"hardump={har}", "-v", "--set", f"vast_log={log}"]
    if kind == "mitmdump":
        options += ["--set", "flow_detail=4"]
    port = harness.unused_port()
    config = {
        "vast": vast_section,
        "inspect": {"port": port, "show_prompts": True},
    }
    with harness.intercept(tmp_path, config, *options, kind=kind) as interceptor:
        use(interceptor, monkeypatch)
        make_calls_of_every_kind()
        make_an_invalid_request(interceptor)
        assert_no_key(everything_on(port), "the dashboard")
    assert_no_key(interceptor.output, "the console")
    assert_no_key(flows.read_bytes(), "the flow file")
    assert_no_key(har.read_bytes(), "the HAR file")
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert_no_key(file.read_bytes(), str(file))

    entries = json.loads(har.read_text())["log"]["entries"]
    urls = [entry["request"]["url"] for entry in entries]
    assert not [url for url in urls if "127.0.0.1" in url]
    assert any("data: [DONE]" in entry["response"]["content"].get("text", "") for entry in entries)
    assert f"{standin.url}/{harness.ENDPOINT}/v1/chat/completions" in urls
    assert "https://api.openai.com/v1/embeddings" in urls
    with flows.open("rb") as file:
        saved = [flow for flow in FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]
    streamed = next(
        flow for flow in saved if flow.response and b"[DONE]" in (flow.response.raw_content or b"")
    )
    assert streamed.metadata["vast"]["url"] == "https://api.openai.com/v1/chat/completions"
    assert streamed.metadata["vast"]["endpoint"] == harness.ENDPOINT
    assert streamed.request.headers["authorization"] == f"Bearer ***{APP_KEY[-4:]}"


class Web:
    """mitmweb's own interface."""

    def __init__(self, interceptor: Interceptor) -> None:
        port = interceptor.wait_for(r"Web server listening at http://127.0.0.1:(\d+)")[1]
        self._url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["authorization"] = f"Bearer {WEB_PASSWORD}"

    def get(self, path: str) -> requests.Response:
        answer = self._session.get(f"{self._url}/{path}", timeout=30)
        answer.raise_for_status()
        return answer

    def post(self, path: str) -> None:
        # Tornado compares a cookie with a header; only a page of mitmweb's own can set both.
        token = "0123456789abcdef"
        self._session.post(
            f"{self._url}/{path}",
            headers={"x-xsrftoken": token},
            cookies={"_mitmproxy_xsrf": token},
            timeout=30,
        ).raise_for_status()


def test_no_key_in_mitmweb_even_in_flight_and_a_replay_works(
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {"vast": vast_section}
    options = ["--set", "web_open_browser=false", "--set", f"web_port={harness.unused_port()}"]
    options += ["--set", f"web_password={WEB_PASSWORD}"]
    with harness.intercept(tmp_path, config, *options, kind="mitmweb") as interceptor:
        use(interceptor, monkeypatch)
        web = Web(interceptor)
        stream = openai.OpenAI().chat.completions.create(
            model="m", messages=MESSAGES, stream=True, extra_body={"standin": {"gate": "web"}}
        )
        next(iter(stream))
        assert len(web.get("flows").json()) == 1
        assert_no_key(web.get("flows").content, "mitmweb's flows, in flight")
        stream.close()
        standin.wait_for_calls("cancelled")
        make_calls_of_every_kind()
        flows = web.get("flows").json()
        assert len(flows) > 10
        assert_no_key(web.get("flows").content, "mitmweb's flows")
        assert_no_key(web.get("events").content, "mitmweb's event log")
        assert not [flow for flow in flows if str(interceptor.port) in flow["request"]["path"]]

        answered = [f for f in flows if (f.get("response") or {}).get("status_code") == 200]
        served = answered[1]  # the first is the one that the app left
        assert served["request"]["host"] == "localhost"
        assert served["comment"].startswith(f"m → {harness.ENDPOINT} (stand-in); 200; ")
        for flow in flows:
            for message in ("request", "response"):
                if flow.get(message):
                    shown = web.get(f"flows/{flow['id']}/{message}/content/auto.json").content
                    assert_no_key(shown, "mitmweb's content view")
        content = web.get(f"flows/{served['id']}/response/content.data").content
        assert b"hello there" in content

        standin.forget_calls()
        web.post(f"flows/{served['id']}/replay")
        standin.wait_for_calls("done")
        assert json.loads(harness.body_of(standin.calls()[0]))["messages"] == MESSAGES


def test_a_saved_flow_replays_in_a_new_process(
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {"vast": vast_section}
    flows = tmp_path / "flows"
    with harness.intercept(tmp_path / "first", config, "-w", str(flows)) as interceptor:
        use(interceptor, monkeypatch)
        openai.OpenAI().chat.completions.create(model="m", messages=MESSAGES)
    standin.forget_calls()
    replay = ["-C", str(flows), "--set", "keepserving=false"]
    path = harness.write_config(tmp_path / "vast.yaml", **config)
    process = harness.Process(
        *harness.command_for("mitmdump"),
        *("-p", "0", "--set", f"confdir={tmp_path / 'first'}", "--set", f"vast_config={path}"),
        *replay,
        environ=harness.clean_environ(VAST_API_KEY=VAST_KEY),
    )
    assert process.process.wait(30) == 0, process.output
    assert [call["outcome"] for call in standin.calls()] == ["done"]
