"""mitmproxy's other ways in: reverse, socks5, transparent; and `vast-intercept serve`."""

import json
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import requests

from .. import harness
from ..harness import APP_KEY, ENDPOINT, Certificates, StandIn, error_of, use

MESSAGES: Any = [{"role": "user", "content": "hello there"}]
BODY = {"model": "m", "messages": MESSAGES}


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_reverse_needs_no_ca_of_an_app_that_can_change_its_url(
    scheme: str, vast_section: dict[str, Any], standin: StandIn, tmp_path: Path
) -> None:
    config = {"vast": vast_section}
    mode = ("--mode", f"reverse:{scheme}://api.openai.com")
    with harness.intercept(tmp_path, config, *mode) as interceptor:
        client = openai.OpenAI(api_key=APP_KEY, base_url=f"http://127.0.0.1:{interceptor.port}/v1")
        answer = client.chat.completions.create(model="m", messages=MESSAGES)
        assert "hello there" in (answer.choices[0].message.content or "")
        chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert len(list(chunks)) > 2
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="m", input="x")
    assert len(standin.calls()) == 2


@pytest.mark.parametrize("dns", ["socks5", "socks5h"])
def test_socks5(dns: str, vast_section: dict[str, Any], tmp_path: Path) -> None:
    config = {"vast": vast_section}
    with harness.intercept(tmp_path, config, "--mode", "socks5") as interceptor:
        # Without name resolution by the proxy only SNI tells whose address it is.
        resolve = ["--resolve", "api.openai.com:443:192.0.2.1"] if dns == "socks5" else []
        done = subprocess.run(
            [
                *("curl", "--silent", "--show-error", "--cacert", str(interceptor.ca)),
                *("--proxy", f"{dns}://127.0.0.1:{interceptor.port}"),
                *resolve,
                *("-H", "content-type: application/json", "-d", json.dumps(BODY)),
                "https://api.openai.com/v1/chat/completions",
            ],
            env=harness.clean_environ(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert "hello there" in done.stdout


TRANSPARENT = """
set -eu
ip link set lo up
ip link add way-out type veth peer name far-end
ip address add 198.51.100.1/24 dev way-out
ip link set way-out up
ip link set far-end up
ip route add default dev way-out
nft add table ip nat
nft 'add chain ip nat output { type nat hook output priority -100; }'
nft add rule ip nat output ip daddr 192.0.2.0/24 tcp dport 443 redirect to :18080
nft add rule ip nat output ip daddr 192.0.2.0/24 tcp dport 80 redirect to :18080
exec "$@"
"""


def test_transparent(tmp_path: Path, certs: Certificates) -> None:
    """In a network of its own, whose way out leads to the interceptor."""
    script = Path(__file__).with_name("transparent_app.py")
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--net"),
            *("sh", "-c", TRANSPARENT, "sh"),
            *(harness.tool("python"), "-m", "tests.end_to_end.transparent_app", *map(str, certs)),
            str(tmp_path),
        ],
        cwd=harness.PROJECT,
        env=harness.clean_environ(PATH=f"/usr/sbin:/sbin:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert script.exists()
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "https": 200,
        "http": 200,
        "in pieces": [200, 200],
        "refused": "unsupported_endpoint",
        "endpoints": [ENDPOINT, ENDPOINT],
    }


class TestServe:
    @pytest.mark.parametrize("flag", [None, "--full", "--web"])
    def test_says_what_it_does_and_how_to_use_it(
        self,
        flag: str | None,
        vast_section: dict[str, Any],
        standin: StandIn,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        config = {"vast": vast_section}
        options = [flag] if flag else []
        if flag == "--web":
            options += ["--set", "web_open_browser=false", "--set", "web_port=0"]
        with harness.intercept(tmp_path, config, *options, kind="serve") as interceptor:
            advised = interceptor.wait_for(r'eval "\$\((.+?)\)"')[1]
            for text in (
                f"127.0.0.1:{interceptor.port}",
                "openai (api.openai.com",
                f"{standin.url}: endpoint {ENDPOINT}",
                f"***{harness.VAST_KEY[-4:]}",
                f"run --attach {interceptor.port} -- COMMAND",
            ):
                assert text in interceptor.output
            use(interceptor, monkeypatch)
            said = subprocess.run(
                ["sh", "-c", advised], capture_output=True, text=True, check=True, timeout=30
            )
            bundle = re.search(r"export SSL_CERT_FILE='(.+)'", said.stdout)
            assert bundle
            monkeypatch.setenv("SSL_CERT_FILE", bundle[1])
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle[1])
            assert openai.OpenAI().chat.completions.create(model="m", messages=MESSAGES).choices
            url = "https://api.openai.com/v1/chat/completions"
            with httpx.stream("POST", url, json={**BODY, "stream": True}) as stream:
                assert list(stream.iter_lines())[-2:] == ["data: [DONE]", ""]
            answer = requests.post("https://api.openai.com/v1/images", timeout=20)
            assert error_of(answer)["code"] == "unsupported_endpoint"
        assert len(standin.calls()) == 2

    def test_listens_on_loopback_only(self, tmp_path: Path) -> None:
        with harness.intercept(tmp_path, {}, kind="serve") as interceptor:
            assert listening_addresses(interceptor.process.pid) == {"127.0.0.1"}

    def test_a_taken_port_is_named(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            process = harness.Process(
                harness.tool("vast-intercept"),
                *("serve", "-p", port, "--set", f"confdir={tmp_path}"),
            )
            assert process.process.wait(30) == 1
            process.wait_for(f"(?s)127.0.0.1:{port}.*in use")

    def test_unknown_options_are_refused(self, tmp_path: Path) -> None:
        process = harness.Process(
            harness.tool("vast-intercept"),
            *("serve", "--nonsense", "--set", f"confdir={tmp_path}"),
        )
        assert process.process.wait(30) != 0
        process.wait_for("--nonsense")


def listening_addresses(pid: int) -> set[str]:
    """The addresses that a process listens on."""
    listing = subprocess.run(
        ["ss", "-Hltnp"], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    lines = [line for line in listing.splitlines() if f"pid={pid}," in line]
    return {line.split()[3].rpartition(":")[0] for line in lines}
