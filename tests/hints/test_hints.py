"""What the log says of apps that cannot work: once for each, with the command that helps."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .. import harness
from ..harness import Interceptor
from ..launch.wrapped import run

CALL = "import requests; requests.get('https://api.openai.com/v1/models')"
PINNING = """
import socket, ssl, sys
raw = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
raw.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\\r\\n\\r\\n")
raw.recv(1000)
tls = ssl.create_default_context(cafile=sys.argv[2]).wrap_socket(
    raw, server_hostname="api.openai.com")
print("not the key that I know")
tls.close()
"""


@pytest.fixture
def interceptor(vast_section: dict[str, Any], tmp_path: Path) -> Iterator[Interceptor]:
    """A new one: it has told nobody anything yet."""
    config = {"vast": vast_section}
    with harness.intercept(tmp_path / "own", config, kind="serve") as interceptor:
        yield interceptor


def run_app(interceptor: Interceptor, *command: str, **variables: str) -> None:
    """Runs an app that knows the proxy. What becomes of it shows in the log."""
    environ = {
        name: value
        for name, value in harness.clean_environ().items()
        if "CERT" not in name and "BUNDLE" not in name
    }
    environ |= {"https_proxy": interceptor.url, **variables}
    subprocess.run(command, env=environ, capture_output=True, timeout=60, check=False)


def test_an_app_that_does_not_trust_the_ca(interceptor: Interceptor) -> None:
    for _ in range(3):
        run_app(interceptor, sys.executable, "-c", CALL)
    name = Path(os.path.realpath(sys.executable)).name
    interceptor.wait_for(
        rf"(?i){name[:6]}\S* \(process \d+\) does not trust the interceptor's CA, so that its calls"
        rf" to api\.openai\.com fail\. Start it with: \S+vast-intercept run --attach"
        rf" {interceptor.port} -- COMMAND"
    )
    run_app(interceptor, "curl", "https://api.openai.com/v1/models")
    interceptor.wait_for(r"curl \(process \d+\) does not trust")
    assert interceptor.output.count("does not trust") == 2
    assert "handshake failed" not in interceptor.output


def test_a_name_that_would_move_the_cursor(interceptor: Interceptor, tmp_path: Path) -> None:
    program = tmp_path / "evil\x1b[2J\n"
    program.symlink_to(shutil.which("curl") or "")
    run_app(interceptor, str(program), "https://api.openai.com/v1/models")
    interceptor.wait_for(
        r"evil\N{REPLACEMENT CHARACTER}\[2J\N{REPLACEMENT CHARACTER} \(process \d+\) does"
    )
    assert "\x1b[2J" not in interceptor.output


def test_the_command_that_helps_does(interceptor: Interceptor) -> None:
    run_app(interceptor, "curl", "https://api.openai.com/v1/models")
    hint = interceptor.wait_for(r"(\S+vast-intercept run --attach \d+ --) COMMAND")[1]
    helped = subprocess.run(
        [
            harness.tool("vast-intercept"),
            *hint.split()[1:],
            "curl",
            "https://api.openai.com/v1/models",
        ],
        env=harness.clean_environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert '"object":"list"' in helped.stdout


def test_an_app_that_was_given_the_ca_and_refuses_it(interceptor: Interceptor) -> None:
    run_app(
        interceptor,
        sys.executable,
        "-c",
        CALL,
        SSL_CERT_FILE=str(interceptor.ca),
        REQUESTS_CA_BUNDLE=ssl.get_default_verify_paths().cafile or "/dev/null",
    )
    interceptor.wait_for(
        r"was given the interceptor's CA and refuses it all the same: it brings its own list of"
        r" CAs, or pins the certificate of api\.openai\.com\..* run --jail --attach"
    )


def test_an_app_that_pins(interceptor: Interceptor) -> None:
    for _ in range(2):
        run_app(
            interceptor, sys.executable, "-c", PINNING, str(interceptor.port), str(interceptor.ca)
        )
    interceptor.wait_for(
        r"\(process \d+\) left right after the TLS handshake for api\.openai\.com, without a call:"
        r" it does not trust the interceptor's CA, or pins the provider's certificate\. Start"
    )
    assert interceptor.output.count("left right after") == 1
    assert "handshake failed" not in interceptor.output


def test_an_app_that_looks_at_the_certificate_after_the_handshake(interceptor: Interceptor) -> None:
    """Debian's wget, which is built with GnuTLS, and reads no variable with CAs."""
    run_app(
        interceptor,
        "wget",
        "--quiet",
        "--tries=1",
        "https://api.openai.com/v1/models",
        SSL_CERT_FILE=str(interceptor.ca),
        https_proxy=interceptor.url,
    )
    interceptor.wait_for(
        r"wget \(process \d+\) left right after the TLS handshake for api\.openai\.com, without a"
        r" call: .* If it reads the system's list: \S+ run --jail --attach"
    )
    assert "accepted" not in interceptor.output


def test_an_app_that_nobody_knows_after_one_that_works(interceptor: Interceptor) -> None:
    """Processes are not looked up then. The hint helps, however the app was started."""
    trusted = {"REQUESTS_CA_BUNDLE": str(interceptor.ca)}
    run_app(interceptor, sys.executable, "-c", CALL, **trusted)
    run_app(interceptor, "curl", "https://api.openai.com/v1/models")
    interceptor.wait_for(
        r"Something at 127\.0\.0\.1 does not trust the interceptor's CA.*\. Start it with: \S+ run"
        r" --attach \d+ -- COMMAND \(COMMAND is the app's own\); if it was, with --jail before"
    )


@pytest.mark.parametrize("given", [True, False], ids=["given", "not given"])
def test_in_run_no_hint_names_an_interceptor_that_is_about_to_end(
    given: bool, run_options: list[str]
) -> None:
    own_list = f"REQUESTS_CA_BUNDLE={ssl.get_default_verify_paths().cafile}"
    ignore = "" if given else "-i"
    script = f'exec env {ignore} https_proxy=$https_proxy {own_list} "$@"'
    _, _, errors = run("sh", "-c", script, "sh", sys.executable, "-c", CALL, options=run_options)
    assert ("was given" in errors) is given
    assert re.search(r"run --jail -- COMMAND", errors), errors
    assert "--attach" not in errors


def test_something_that_does_not_speak_the_proxy_protocol(interceptor: Interceptor) -> None:
    for said in (b"", b"SSH-2.0-OpenSSH_9.2\r\n"):
        with socket.create_connection(("127.0.0.1", interceptor.port)) as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass
    interceptor.wait_for(
        rf"Something at 127\.0\.0\.1 connected to port {interceptor.port} and left without a word"
        rf" of the proxy protocol\..* run --jail --attach {interceptor.port} -- COMMAND"
    )
    assert interceptor.output.count("left without a word") == 1


def test_an_app_whose_base_url_is_the_proxy(interceptor: Interceptor) -> None:
    run_app(interceptor, "curl", f"{interceptor.url}/v1/models", https_proxy="")
    interceptor.wait_for(
        rf"calls {interceptor.url}/v1/models as if the proxy were the API\..* serve"
        rf" -p {interceptor.port} --mode reverse:https://api\.openai\.com"
    )


def test_nothing_is_said_of_apps_that_work(interceptor: Interceptor) -> None:
    run_app(
        interceptor,
        sys.executable,
        "-c",
        CALL,
        REQUESTS_CA_BUNDLE=str(interceptor.ca),
    )
    run_app(interceptor, "curl", "-k", "https://api.openai.com/v1/models")
    for hint in ("does not trust", "refuses it", "without a word", "left right", "as if"):
        assert hint not in interceptor.output
