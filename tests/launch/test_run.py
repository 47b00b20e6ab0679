"""`vast-intercept run`: the app is as it would be without it, but for where its calls go."""

import json
import os
import pty
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from vast_intercept.certificates.trust_files import CA_VARIABLES
from vast_intercept.launch.variables import PROXY_VARIABLES

from .. import harness
from ..harness import StandIn
from .upstream_proxy import UpstreamProxy
from .wrapped import WAITING, gone, run, temporary_folders, wrapped

PYTHON = sys.executable
CHAT = """
import requests
body = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}
answer = requests.post("https://api.openai.com/v1/chat/completions", json=body)
print(answer.json()["choices"][0]["message"]["content"])
"""


class TestCalls:
    def test_are_answered_by_vast_and_summed_up(
        self, run_options: list[str], standin: StandIn
    ) -> None:
        more = """
        requests.post("https://api.openai.com/v1/embeddings", json={"input": "x"})
        requests.post("https://api.openai.com/v1/chat/completions", json={})
        """.replace("        ", "")
        code, output, errors = run(PYTHON, "-c", CHAT + more, options=run_options)
        assert (code, output) == (0, "You said: hello there\n")
        assert errors == "vast-intercept: 3 calls, 8 tokens, 2 refused, 0 errors\n"
        assert len(standin.calls()) == 1

    def test_quiet_says_nothing(self, run_options: list[str]) -> None:
        code, output, errors = run("true", options=[*run_options, "--quiet"])
        assert (code, output, errors) == (0, "", "")

    def test_none_at_all_has_a_hint(self, run_options: list[str]) -> None:
        _, _, errors = run("true", options=run_options)
        assert errors.startswith("vast-intercept: 0 calls, ")
        assert "the app called no provider, or not through the proxy" in errors
        assert "--jail" in errors

    def test_none_since_the_app_failed_has_none(self, run_options: list[str]) -> None:
        _, _, errors = run("false", options=run_options)
        assert errors.endswith(
            ": the app ended with an error before a call of its reached the interceptor\n"
        )
        assert "--jail" not in errors

    def test_a_stream_whose_usage_nobody_asked_for(self, run_options: list[str]) -> None:
        program = """
import requests
body = {"model": "m", "messages": [{"role": "user", "content": "hello there"}], "stream": True}
print(len(requests.post("https://api.openai.com/v1/chat/completions", json=body).content) > 0)
"""
        code, output, errors = run(PYTHON, "-c", program, options=run_options)
        assert (code, output) == (0, "True\n")
        assert errors == (
            "vast-intercept: 1 call, about 5 tokens in 1 stream (the app did not ask for the"
            " usage), 0 refused, 0 errors\n"
        )

    def test_through_one_that_runs_already(
        self, vast_section: dict[str, Any], standin: StandIn, tmp_path: Path
    ) -> None:
        config = {"vast": vast_section}
        with harness.intercept(tmp_path, config, kind="serve") as interceptor:
            for _ in range(2):
                code, output, errors = run(
                    PYTHON, "-c", CHAT, options=["--attach", str(interceptor.port)]
                )
                assert (code, output) == (0, "You said: hello there\n")
                assert errors == (
                    "vast-intercept: 1 call, 8 tokens, 0 refused, 0 errors"
                    f" (all apps that use port {interceptor.port})\n"
                )
        assert len(standin.calls()) == 2

    def test_with_mitmweb_beside_it(self, run_options: list[str]) -> None:
        more = ["--web", "--set", "web_open_browser=false"]
        with wrapped("sh", "-c", WAITING, options=[*run_options, *more]) as started:
            started.wait_for_line()
            assert started.process.stderr
            url = started.process.stderr.readline().rpartition(" ")[2].strip()
            page = requests.get(url, timeout=10)
            assert page.status_code == 200
            assert "mitmproxy" in page.text
            started.end()


class TestEnvironment:
    def test_names_the_proxy_and_files_that_are_there(
        self, run_options: list[str], tmp_path: Path
    ) -> None:
        program = """
import json, os, pathlib
variables = dict(os.environ)
size = {name: pathlib.Path(value).stat().st_size for name, value in variables.items()
        if value.startswith(os.environ["TMPDIR"]) and name != "TMPDIR"}
print(json.dumps([variables, size]))
"""
        environ = harness.clean_environ(
            VAST_API_KEY=harness.VAST_KEY,
            TMPDIR=str(tmp_path),
            no_proxy="intranet.example",
            JAVA_TOOL_OPTIONS="-Dmine=1",
        )
        code, output, _ = run(PYTHON, "-c", program, options=run_options, environ=environ)
        assert code == 0
        variables, sizes = json.loads(output)
        assert len({variables[name] for name in PROXY_VARIABLES}) == 1
        assert variables["https_proxy"].startswith("http://127.0.0.1:")
        usual = {*CA_VARIABLES} - {*environ} - {"NODE_EXTRA_CA_CERTS"}
        assert len({variables[name] for name in usual}) == 1
        assert set(sizes) >= {*CA_VARIABLES, "WGETRC"}
        assert all(sizes.values())
        own = variables["https_proxy"].removeprefix("http://")
        assert variables["no_proxy"] == variables["NO_PROXY"] == f"intranet.example,{own}"
        assert harness.VAST_KEY not in variables.values()
        assert variables["JAVA_TOOL_OPTIONS"].startswith("-Dmine=1 ")
        assert variables["NODE_USE_ENV_PROXY"] == "1"
        assert temporary_folders(tmp_path) == []

    def test_no_proxy_that_leaves_the_provider_out_is_told(self, run_options: list[str]) -> None:
        environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY, NO_PROXY=".openai.com")
        _, _, errors = run("true", options=run_options, environ=environ)
        assert "no_proxy has the app call api.openai.com directly" in errors

    def test_dry_run_prints_it_for_a_shell(self) -> None:
        code, output, errors = run("my app", "a b", options=["--dry-run", "--port", "8123"])
        assert code == 0
        assert "export HTTPS_PROXY='http://127.0.0.1:8123'\n" in output
        assert output.endswith("\n'my app' 'a b'\n")
        assert "Nothing was started" in errors
        shown = subprocess.run(
            ["sh", "-c", f"{output.rpartition(chr(10) + chr(39))[0]}\nenv"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "https_proxy=http://127.0.0.1:8123\n" in shown.stdout

    def test_dry_run_of_a_jail(self) -> None:
        environ = harness.clean_environ(https_proxy="http://proxy.example:3128")
        _, output, _ = run("app", options=["--dry-run", "--jail"], environ=environ)
        assert "unset https_proxy\n" in output
        assert "export SSL_CERT_FILE=" in output
        assert "export HTTPS_PROXY" not in output


class TestProcess:
    @pytest.mark.parametrize("code", [1, 125, 255])
    def test_exit_codes_are_the_apps(self, code: int, run_options: list[str]) -> None:
        assert run("sh", "-c", f"exit {code}", options=run_options)[0] == code

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])
    def test_dies_by_the_apps_signal(self, number: signal.Signals, run_options: list[str]) -> None:
        code, _, errors = run("sh", "-c", f"kill -{number.value} $$", options=run_options)
        assert code == -number
        assert "0 calls" in errors

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_forwards_signals(self, number: signal.Signals, run_options: list[str]) -> None:
        trap = f"trap 'echo {number.name}; exit 9' {number.value}"
        script = f"{trap}; echo ready; while :; do sleep 0.1; done"
        with wrapped("sh", "-c", script, options=run_options) as started:
            started.wait_for_line()
            started.process.send_signal(number)
            started.wait_for_line(number.name)
            started.end()
        assert started.code == 9

    def test_forwards_signals_when_the_tests_ignore_them(self, run_options: list[str]) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            self.test_forwards_signals(signal.SIGHUP, run_options)
        finally:
            signal.signal(signal.SIGHUP, before)

    def test_a_signal_that_is_ignored_stays_so_for_the_app(self, run_options: list[str]) -> None:
        """That is what `nohup` is for."""
        script = "trap 'echo got it' 1; echo ready; read line; echo $line"
        nohup = ["sh", "-c", "trap '' 1; exec \"$@\"", "sh"]
        with wrapped("sh", "-c", script, options=run_options, prefix=nohup) as started:
            started.wait_for_line()
            started.process.send_signal(signal.SIGHUP)
            started.tell("still here")
            started.wait_for_line("still here")
            started.end()
        assert started.code == 0

    def test_what_the_terminal_sends_comes_once(self, run_options: list[str]) -> None:
        program = """
import signal, sys
count = 0
def note(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, note)
print(sys.stdin.isatty(), sys.stdout.isatty(), flush=True)
print("ready", flush=True)
sys.stdin.readline()
print("interrupted", count, flush=True)
"""
        pid, terminal = pty.fork()
        if not pid:
            arguments = [
                harness.tool("vast-intercept"),
                "run",
                *run_options,
                "--",
                PYTHON,
                "-c",
                program,
            ]
            environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY)
            os.execve(arguments[0], arguments, environ)  # noqa: S606
        output = _read_until(terminal, b"ready")
        os.write(terminal, b"\x03")
        _read_until(terminal, b"^C")
        os.write(terminal, b"line\n")
        output += _read_until(terminal, b"errors")
        assert b"True True" in output
        assert b"interrupted 1" in output
        assert os.waitpid(pid, 0)[1] == 0
        os.close(terminal)

    def test_a_pipeline_is_passed_through_byte_for_byte(self, run_options: list[str]) -> None:
        data = random.Random(1).randbytes(3_000_000)
        command = [harness.tool("vast-intercept"), "run", *run_options, "--", "cat"]
        environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY)
        done = subprocess.run(
            command, input=data, stdout=subprocess.PIPE, env=environ, check=True, timeout=60
        )
        assert done.stdout == data

    def test_a_reader_that_leaves_ends_the_app_as_ever(self, run_options: list[str]) -> None:
        """SIGPIPE, which Python itself ignores."""
        line = (
            f"{harness.tool('vast-intercept')} run {' '.join(run_options)} -q -- yes; echo $? >&2"
        )
        environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY)
        done = subprocess.run(
            ["sh", "-c", f"({line}) | head -n 1"],
            capture_output=True,
            text=True,
            env=environ,
            check=True,
            timeout=60,
        )
        assert done.stdout == "y\n"
        assert "141" in done.stderr  # what a shell makes of SIGPIPE

    def test_a_script_without_a_first_line_runs(
        self, run_options: list[str], tmp_path: Path
    ) -> None:
        script = tmp_path / "script"
        script.write_text('echo "$0 $1"\n')
        script.chmod(0o755)
        code, output, _ = run(str(script), "x", options=run_options)
        assert (code, output) == (0, f"{script} x\n")

    @pytest.mark.parametrize("jail", [[], ["--jail"]], ids=["plain", "jail"])
    def test_nothing_is_left_when_it_is_killed(
        self, jail: list[str], run_options: list[str], tmp_path: Path
    ) -> None:
        environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY, TMPDIR=str(tmp_path))
        with wrapped(
            "sh", "-c", WAITING, options=[*jail, *run_options], environ=environ
        ) as started:
            started.wait_for_line()
            assert temporary_folders(tmp_path)
            interceptor, remover = started.child("background"), started.child("rm -rf")
            started.process.kill()
            assert gone(interceptor, remover)
            assert temporary_folders(tmp_path) == []

    def test_an_interceptor_that_dies_is_told_and_the_app_runs_on(
        self, run_options: list[str]
    ) -> None:
        with wrapped("sh", "-c", WAITING, options=run_options) as started:
            started.wait_for_line()
            started.child("background").kill()
            assert started.process.stderr
            line = started.process.stderr.readline()
            assert line.startswith("vast-intercept: The interceptor has ended (SIGKILL).")
            started.tell("on")
            started.wait_for_line("got on")
            started.end()
        assert started.code == 0


class TestUpstreamProxy:
    def test_vast_is_reached_through_the_one_that_is_set(
        self, run_options: list[str], standin: StandIn
    ) -> None:
        with UpstreamProxy("user", "p%ss:word") as upstream:
            environ = harness.clean_environ(
                VAST_API_KEY=harness.VAST_KEY, HTTPS_PROXY=upstream.url, NO_PROXY=""
            )
            script = f"""
{PYTHON} -c '{CHAT}'
curl --silent --insecure {standin.url}/_standin/stats >/dev/null && echo fetched
{WAITING}
"""
            with wrapped("sh", "-c", script, options=run_options, environ=environ) as started:
                started.wait_for_line("You said: hello there")
                started.wait_for_line("fetched")
                started.wait_for_line()
                lines = [" ".join(each.cmdline()) for each in started.children()]
                assert not any("word" in line for line in lines)
                started.end()
        host = standin.url.removeprefix("https://")
        # Both Vast and what is not a provider's; never the provider.
        assert upstream.connected == [host, host]

    def test_one_that_cannot_be_used_is_told(self, run_options: list[str]) -> None:
        environ = harness.clean_environ(https_proxy="socks5://secret@proxy.example:1080")
        code, _, errors = run("true", options=run_options, environ=environ)
        assert code == 125
        assert "https_proxy names a SOCKS proxy" in errors
        assert "secret" not in errors


class TestBadInput:
    def test_no_command(self) -> None:
        code, _, errors = run()
        assert code == 2
        assert "There is no command" in errors

    @pytest.mark.parametrize(
        ("command", "code", "message"),
        [
            ("no-such-command", 127, "no-such-command: command not found"),
            ("/no/such/file", 127, "/no/such/file: command not found"),
            ("/etc", 126, "/etc: Permission denied"),
        ],
    )
    def test_a_command_that_cannot_run(self, command: str, code: int, message: str) -> None:
        assert run(command) == (code, "", f"vast-intercept: {message}\n")

    def test_a_file_that_is_no_program(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.touch(0o644)
        assert run(str(file)) == (126, "", f"vast-intercept: {file}: Permission denied\n")

    def test_a_port_that_is_taken(self, run_options: list[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            code, _, errors = run("true", options=[*run_options, "--port", str(port)])
        assert code == 125
        assert "The interceptor did not start. Its last lines:" in errors
        assert f"127.0.0.1:{port}" in errors
        assert "in use" in errors

    def test_an_option_that_cannot_be(self, run_options: list[str]) -> None:
        code, _, errors = run("true", options=[*run_options, "--set", "mode=nonsense"])
        assert code == 125
        assert "nonsense" in errors

    def test_a_ca_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        where = tmp_path / "file" / "confdir"
        code, _, errors = run("true", options=["--set", f"confdir={where}"])
        assert code == 125
        assert f"The CA cannot be written to {where}" in errors
        assert "--set confdir=PATH" in errors
        assert "Traceback" not in errors

    def test_an_expired_ca(self, expired_ca: Path) -> None:
        code, _, errors = run("true", options=["--set", f"confdir={expired_ca}"])
        assert code == 125
        assert "has expired on" in errors
        assert f"Delete {expired_ca}/mitmproxy-ca*" in errors

    @pytest.mark.parametrize("option", [("--config", "x"), ("--web",)])
    def test_options_for_one_that_runs_already(self, option: tuple[str, ...]) -> None:
        code, _, errors = run("true", options=["--attach", "1", *option])
        assert code == 2
        assert "--attach uses an interceptor that runs already" in errors

    def test_nobody_at_the_port(self) -> None:
        port = str(harness.unused_port())
        code, _, errors = run("true", options=["--attach", port])
        assert code == 125
        assert f"Nothing listens at 127.0.0.1:{port}" in errors

    def test_jail_allow_without_a_jail(self) -> None:
        code, _, errors = run("true", options=["--jail-allow", "127.0.0.1:1"])
        assert code == 2
        assert "--jail-allow needs --jail" in errors

    @pytest.mark.parametrize("address", ["5432", "example.com:1", "127.0.0.1:", "127.0.0.1:0"])
    def test_jail_allow_of_what_is_no_address(self, address: str) -> None:
        code, _, errors = run("true", options=["--jail", "--jail-allow", address])
        assert code == 2
        assert "127.0.0.1:5432" in errors


def _read_until(terminal: int, word: bytes) -> bytes:
    read = b""
    while word not in read:
        read += os.read(terminal, 4096)
    return read
