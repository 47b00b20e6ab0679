"""`vast-intercept env`: real shells and runtimes that do what it prints."""

import gc
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from vast_intercept.certificates.trust_files import CA_VARIABLES
from vast_intercept.cli.env import env
from vast_intercept.engine import running
from vast_intercept.launch.variables import PROXY_VARIABLES
from vast_intercept.status import Status, Tally

from .. import harness
from ..harness import APP_KEY, VAST_KEY, Certificates, Interceptor, StandIn
from ..launch.test_shells import powershell_reads

COMMAND = harness.tool("vast-intercept")
PATH = os.environ["PATH"]
FORMS = ("sh", "fish", "powershell", "dotenv", "docker")
URL = "https://api.openai.com/v1/chat/completions"
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello there"}]})

#: Two apps with the URL built in, as one would write them in a shell.
APPS = f"""
curl -sS -H 'authorization: Bearer {APP_KEY}' -H 'content-type: application/json' -d '{BODY}' {URL}
echo
{shlex.quote(sys.executable)} -c 'import requests
print(requests.post("{URL}", json={BODY}, headers=dict(authorization="Bearer {APP_KEY}")).text)'
"""
SHELLS = {
    "sh": ["sh", "-euc"],
    "bash": ["bash", "-euc"],
    "fish": ["fish", "--no-config", "-c"],
}
EVALUATED = {
    "sh": 'eval "$({command})"',
    "bash": 'eval "$({command})"',
    "fish": "{command} --format fish | source",
}
#: What an app's user may have set.
OWN = {
    "no_proxy": "intranet,.corp.example",
    "JAVA_TOOL_OPTIONS": "-Xmx1g -Dmine='one two'",
    "PHP_INI_SCAN_DIR": "/it's/mine",
}


@pytest.fixture(scope="module")
def serve(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interceptor]:
    """A running interceptor, whose folder has a blank in its name."""
    config = {"vast": harness.vast_section(_standin, certs.ca)}
    folder = tmp_path_factory.mktemp("two words")
    with harness.intercept(folder, config, kind="serve") as interceptor:
        yield interceptor


def bare_environ(**more: str) -> dict[str, str]:
    """Of a shell in which nothing names CAs, and that knows the Vast key."""
    others = {*CA_VARIABLES, *OWN, "WGETRC", "SSL_CERT_DIR"}
    kept = {name: each for name, each in harness.clean_environ().items() if name not in others}
    return kept | {"VAST_API_KEY": VAST_KEY, "LC_ALL": "C.UTF-8"} | more


def output(command: list[str], environ: dict[str, str]) -> str:
    """What a command prints that succeeds, and has nothing to complain of."""
    done = subprocess.run(
        command, env=environ, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def printed(interceptor: Interceptor, form: str, **environ: str) -> str:
    """What `vast-intercept env` prints."""
    command = [COMMAND, "env", "--port", str(interceptor.port), "--format", form]
    return output(command, bare_environ(**environ))


def evaluated(shell: str, interceptor: Interceptor) -> str:
    """A shell's line that has it use the interceptor."""
    command = f"{shlex.quote(COMMAND)} env --port {interceptor.port}"
    return EVALUATED[shell].format(command=command)


class TestShells:
    @pytest.mark.parametrize("shell", SHELLS)
    def test_its_apps_are_answered_by_vast(
        self, shell: str, serve: Interceptor, standin: StandIn
    ) -> None:
        script = f"{evaluated(shell, serve)}\n{APPS}"
        answers = output([*SHELLS[shell], script], bare_environ()).splitlines()
        contents = [json.loads(line)["choices"][0]["message"]["content"] for line in answers]
        assert contents == ["You said: hello there"] * 2
        assert len(standin.calls()) == 2

    @pytest.mark.parametrize("shell", SHELLS)
    def test_once_more_changes_nothing(self, shell: str, serve: Interceptor) -> None:
        line = evaluated(shell, serve)
        once, twice = (
            output([*SHELLS[shell], f"{lines}\nexec env"], bare_environ(**OWN))
            for lines in (line, f"{line}\n{line}")
        )
        assert f"https_proxy={serve.url}" in once.splitlines()
        assert sorted(once.splitlines()) == sorted(twice.splitlines())


class TestFormats:
    """Each is read by whom it is for, and all say the same."""

    @pytest.fixture(params=[{}, OWN], ids=["bare", "own"])
    def environ(self, request: pytest.FixtureRequest) -> dict[str, str]:
        own: dict[str, str] = request.param
        return own

    @pytest.fixture
    def expected(self, environ: dict[str, str], serve: Interceptor) -> dict[str, str]:
        """Of a real `sh`: what is new there, or different."""
        script = f"{evaluated('sh', serve)}; exec env -0"
        before = bare_environ(**environ)
        lines = output(["sh", "-c", script], before).split("\0")
        after = dict(line.split("=", 1) for line in lines if line)
        changed = {name for name in after if after[name] != before.get(name)} - {"_", "PWD"}
        assert changed >= {*CA_VARIABLES, *PROXY_VARIABLES, "JAVA_TOOL_OPTIONS"}
        return {name: after[name] for name in changed}

    def test_fish(
        self, environ: dict[str, str], expected: dict[str, str], serve: Interceptor
    ) -> None:
        script = f"{evaluated('fish', serve)}; exec env -0"
        lines = output(["fish", "--no-config", "-c", script], bare_environ(**environ)).split("\0")
        after = dict(line.split("=", 1) for line in lines if line)
        assert {name: after[name] for name in expected} == expected

    def test_powershell(
        self, environ: dict[str, str], expected: dict[str, str], serve: Interceptor
    ) -> None:
        said = {}
        for line in printed(serve, "powershell", **environ).splitlines():
            name, _, value = line.removeprefix("$env:").partition(" = ")
            said[name] = powershell_reads(f"$env:A = {value}")
        assert said == expected

    def test_dotenv_as_node_reads_it(
        self, environ: dict[str, str], expected: dict[str, str], serve: Interceptor, tmp_path: Path
    ) -> None:
        file = tmp_path / "vast.env"
        file.write_text(printed(serve, "dotenv", **environ))
        script = "JSON.stringify(process.env)"
        read = json.loads(output(["node", f"--env-file={file}", "-p", script], {"PATH": PATH}))
        assert read == expected | {"PATH": PATH}

    def test_docker(self, serve: Interceptor, environ: dict[str, str]) -> None:
        """What this shell has set is not the container's."""
        network, env_file, volume = shlex.split(printed(serve, "docker", **environ))
        assert network == "--network=host"
        inside, outside, mode = volume.removeprefix("--volume=").split(":")
        assert (inside, mode) == (outside, "ro")
        lines = Path(env_file.removeprefix("--env-file=")).read_text().splitlines()
        # The same as in a shell where nothing is set, and without quotes: Docker would keep them.
        script = f"{evaluated('sh', serve)}; exec env"
        assert set(lines) <= set(output(["sh", "-c", script], bare_environ()).splitlines())
        variables = dict(line.split("=", 1) for line in lines)
        assert set(variables) > {*CA_VARIABLES, *PROXY_VARIABLES, "JAVA_TOOL_OPTIONS", "WGETRC"}
        java = shlex.split(variables["JAVA_TOOL_OPTIONS"])[-1].partition("=")[2]
        php = variables["PHP_INI_SCAN_DIR"].removeprefix(":")
        for path in (*(variables[name] for name in (*CA_VARIABLES, "WGETRC")), java, php):
            assert Path(path).is_relative_to(inside)
            assert Path(path).exists()


@pytest.mark.parametrize("form", FORMS)
def test_no_key_is_in_it(form: str, serve: Interceptor) -> None:
    text = printed(serve, form, OPENAI_API_KEY=APP_KEY)
    files = [path for path in (serve.folder / "vast-intercept").rglob("*") if path.is_file()]
    assert len(files) >= 4
    for content in (text.encode(), *(path.read_bytes() for path in files)):
        assert content
        assert VAST_KEY.encode() not in content
        assert APP_KEY.encode() not in content


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """Something that answers whoever asks, and leaves; or with None, never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = threading.Event()

        def serve_one() -> None:
            with suppress(OSError), listener.accept()[0] as connection:
                connection.recv(1000)
                if answer is None:
                    left.wait()
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve_one)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            left.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RD)  # if nobody has asked
            thread.join()


def page(body: bytes) -> bytes:
    """An answer in HTTP, as the simplest of servers give it."""
    return b"HTTP/1.0 200 OK\r\n\r\n" + body


def error_of(port: int, *arguments: str) -> str:
    """What the command says when it fails."""
    result = CliRunner().invoke(env, ["--port", str(port), *arguments])
    assert isinstance(result.exception, SystemExit), result.output
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("vast-intercept: ")
    return result.stderr


class TestNobody:
    def test_at_the_port(self) -> None:
        port = harness.unused_port()
        error = error_of(port)
        assert f"Nothing listens at 127.0.0.1:{port}." in error
        assert f"`vast-intercept serve -p {port}`" in error

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(page(b"<h1>It works!</h1>"), id="html"),
            pytest.param(page(b""), id="nothing"),
            pytest.param(page(b"{}"), id="object"),
            pytest.param(page(b'{"version": 1}'), id="other version"),
            pytest.param(page(b"\xff\xfe"), id="no utf-8"),
            pytest.param(page(b'{"version": "\xff"}'), id="no utf-8 within"),
            pytest.param(page(b'{"a": ' + b"[" * 60_000), id="deep"),
            pytest.param(page(b" " * 1_000_000), id="long"),
            pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", id="broken off"),
        ],
    )
    def test_that_is_an_interceptor(self, answer: bytes) -> None:
        with server(answer) as port:
            error = error_of(port)
        gc.collect()  # a socket that was left open would be told of now
        assert f"What listens at 127.0.0.1:{port} is not this interceptor" in error
        assert "it answered with status 200. Name the port where the interceptor listens." in error

    @pytest.mark.parametrize(
        ("greeting", "told"),
        [
            pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n", "SSH-2.0-OpenSSH_9.9. ", id="ssh"),
            pytest.param(b"\x15\x03\x01\0\x02\x02\x0a", r"\x15\x03\x01\x00\x02\x02. ", id="tls"),
            pytest.param(b"\x1b[2J\x07" * 20_000, "got more than 65536 bytes", id="no end"),
            pytest.param(b"\x1b[2J\x07" * 2_000, r"\x1b[2J\x07\x1b[2J", id="escapes"),
            pytest.param(b"", "Remote end closed connection", id="nothing"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{",
                "IncompleteRead",
                id="broken off",
            ),
        ],
    )
    def test_that_speaks_http(self, greeting: bytes, told: str) -> None:
        with server(greeting) as port:
            error = error_of(port)
        assert f"What listens at 127.0.0.1:{port} does not answer as an HTTP proxy: " in error
        assert told in error
        assert "Name the port where the interceptor listens." in error
        assert error.removesuffix("\n").isprintable()
        assert len(error) < 300

    def test_that_says_a_word(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "_SECONDS", 0.2)
        with server(None) as port:
            error = error_of(port)
        assert f"127.0.0.1:{port} does not answer as an HTTP proxy: timed out." in error
        assert "Name the port where the interceptor listens." in error

    @pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
    def test_can_be_at_such_a_port(self, port: str) -> None:
        result = CliRunner().invoke(env, ["--port", port])
        assert result.exit_code == 2
        assert "Usage: " in result.stderr

    def test_knows_such_a_format(self) -> None:
        result = CliRunner().invoke(env, ["--format", "csh"])
        assert result.exit_code == 2
        for form in FORMS:
            assert f"'{form}'" in result.stderr


class TestBadCa:
    """The interceptor answers, but what it names is of no use."""

    @staticmethod
    def error_of_one_with(ca_file: Path, *arguments: str) -> str:
        status = Status("0", 1, [], [], str(ca_file), "", "", [], [], Tally())
        with server(page(msgspec.json.encode(status))) as port:
            return error_of(port, *arguments)

    def test_has_expired(self, expired_ca: Path) -> None:
        ca = expired_ca / "mitmproxy-ca-cert.pem"
        error = self.error_of_one_with(ca)
        assert f"The CA {ca} has expired on " in error
        assert f"Delete {expired_ca}/mitmproxy-ca*" in error

    def test_is_not_there(self, tmp_path: Path) -> None:
        assert f"The CA {tmp_path}/ca.pem cannot be read: " in self.error_of_one_with(
            tmp_path / "ca.pem"
        )

    def test_has_no_room_beside_it(self, serve: Interceptor, tmp_path: Path) -> None:
        (tmp_path / serve.ca.name).write_bytes(serve.ca.read_bytes())
        (tmp_path / "vast-intercept").touch()
        error = self.error_of_one_with(tmp_path / serve.ca.name)
        assert f"The CAs for apps cannot be written to {tmp_path}/vast-intercept: " in error

    def test_has_something_in_the_place_of_dockers_file(
        self, serve: Interceptor, tmp_path: Path
    ) -> None:
        (tmp_path / serve.ca.name).write_bytes(serve.ca.read_bytes())
        (tmp_path / "vast-intercept" / "docker.env").mkdir(parents=True)
        error = self.error_of_one_with(tmp_path / serve.ca.name, "--format", "docker")
        assert "docker.env cannot be written: Is a directory." in error
