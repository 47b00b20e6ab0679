"""`vast-intercept run --jail`: an app that knows nothing, in a network of its own."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from .. import harness
from ..harness import Certificates, StandIn
from . import far_network
from .wrapped import WAITING, gone, run, wrapped

PYTHON = sys.executable
ALL_PATHS = f"{os.environ['PATH']}:/usr/sbin:/sbin"

#: An app that has never heard of proxies, and takes no hints from its environment.
CALL = """
import http.client, json, os
for name in list(os.environ):
    if "CERT" in name or "BUNDLE" in name:
        del os.environ[name]
connection = http.client.HTTPSConnection("api.openai.com", timeout=30)
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello there"}]})
connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
print(json.load(connection.getresponse())["choices"][0]["message"]["content"])
"""

USERS = {"root": [], "user": ["unshare", "--user", "--map-user=1000", "--map-group=1000"]}


@pytest.fixture(params=USERS)
def user(request: pytest.FixtureRequest) -> list[str]:
    """A command in front of another, which then runs as root, or as who has no power at all."""
    if request.param == "root" and os.geteuid():
        pytest.skip("the tests do not run as root")
    return USERS[str(request.param)]


@pytest.fixture
def hosts(tmp_path: Path) -> list[str]:
    """A command in front of another, which then knows names though there is no DNS.

    The address is nobody's (RFC 5737).
    """
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n203.0.113.5 api.openai.com elsewhere.example\n")
    mounted = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, str(file)]


@pytest.fixture
def far(certs: Certificates, tmp_path: Path) -> list[str]:
    """A command in front of another, which is then in a network with a far host and a resolver."""
    return [
        *("unshare", "--user", "--map-root-user", "--net", "--mount"),
        *(
            PYTHON,
            "-m",
            "tests.launch.far_network",
            str(certs.certificate),
            str(certs.key),
            str(tmp_path),
        ),
    ]


class TestCalls:
    def test_are_answered_by_vast(
        self, user: list[str], hosts: list[str], run_options: list[str], standin: StandIn
    ) -> None:
        code, output, errors = run(
            PYTHON, "-c", CALL, options=["--jail", *run_options], prefix=[*hosts, *user]
        )
        assert (code, output) == (0, "You said: hello there\n"), errors
        assert errors == "vast-intercept: 1 call, 8 tokens, 0 refused, 0 errors\n"
        assert len(standin.calls()) == 1

    def test_pythons_own_list_of_cas_is_replaced(
        self, hosts: list[str], run_options: list[str]
    ) -> None:
        """certifi's, which requests reads where no variable names another."""
        program = """
import os
for name in list(os.environ):
    if "CERT" in name or "BUNDLE" in name:
        del os.environ[name]
import requests
print(requests.get("https://api.openai.com/v1/models").json()["object"])
"""
        code, output, errors = run(
            PYTHON, "-c", program, options=["--jail", *run_options], prefix=[*hosts, *USERS["user"]]
        )
        assert (code, output) == (0, "list\n"), errors

    @pytest.mark.parametrize("without", ["nft", "slirp4netns"])
    def test_with_the_other_tools(
        self, without: str, hosts: list[str], run_options: list[str]
    ) -> None:
        prefix = [*hosts, *hiding(without)]
        code, output, errors = run(
            PYTHON, "-c", CALL, options=["--jail", *run_options], prefix=prefix
        )
        assert (code, output) == (0, "You said: hello there\n"), errors

    def test_plain_http_too(self, hosts: list[str], run_options: list[str]) -> None:
        url = "http://api.openai.com/v1/models"
        code, output, errors = run(
            "curl", "-sS", url, options=["--jail", *run_options], prefix=hosts
        )
        assert code == 0, errors
        assert json.loads(output)["object"] == "list"


class TestApp:
    def test_is_as_it_would_be_outside(self, user: list[str], run_options: list[str]) -> None:
        program = """
import json, os, signal
status = open("/proc/self/status").read()
lines = dict(line.split(":\\t", 1) for line in status.splitlines() if ":\\t" in line)
ignored = int(lines["SigIgn"], 16) & ~0x180000000  # glibc's own two
powers = [lines["CapPrm"], lines["CapEff"]] if os.getuid() else []
print(json.dumps([os.getuid(), os.getgid(), os.getcwd(), lines["SigBlk"], ignored, powers]))
"""
        environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY)
        plain = run(PYTHON, "-c", program, options=run_options, environ=environ, prefix=user)
        jailed = run(
            PYTHON, "-c", program, options=["--jail", *run_options], environ=environ, prefix=user
        )
        assert jailed[:2] == plain[:2]

    @pytest.mark.parametrize("code", [0, 9])
    def test_exit_code(self, code: int, run_options: list[str]) -> None:
        assert run("sh", "-c", f"exit {code}", options=["--jail", *run_options])[0] == code

    def test_a_pipeline(self, run_options: list[str]) -> None:
        with wrapped("cat", options=["--jail", "-q", *run_options]) as started:
            output, errors = started.process.communicate("a\nb" * 100_000, timeout=60)
        assert (output, errors) == ("a\nb" * 100_000, "")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_gets_signals(self, number: signal.Signals, run_options: list[str]) -> None:
        trap = f"trap 'echo {number.name}; exit 9' {number.value}"
        script = f"{trap}; echo ready; while :; do sleep 0.1; done"
        with wrapped("sh", "-c", script, options=["--jail", *run_options]) as started:
            started.wait_for_line()
            started.process.send_signal(number)
            started.wait_for_line(number.name)
            started.end()
        assert started.code == 9

    @pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("/etc", 126)])
    def test_that_cannot_run(self, command: str, code: int, run_options: list[str]) -> None:
        assert run(command, options=["--jail", *run_options])[0] == code

    def test_cannot_change_the_jail(self, run_options: list[str]) -> None:
        script = "nft flush ruleset || echo refused; umount /etc/resolv.conf || echo refused"
        environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY, PATH=ALL_PATHS)
        _, output, _ = run(
            "sh",
            "-c",
            script,
            options=["--jail", *run_options],
            prefix=USERS["user"],
            environ=environ,
        )
        assert output == "refused\nrefused\n"

    def test_has_no_more_open_than_outside(self, run_options: list[str]) -> None:
        """Above all not the socket over which the jail is told what to do."""
        script = 'for each in /proc/self/fd/*; do readlink "$each"; done | grep -c socket'
        plain = run("sh", "-c", script, options=run_options)
        jailed = run("sh", "-c", script, options=["--jail", *run_options])
        assert jailed[:2] == plain[:2]

    def test_has_a_large_environment(self, run_options: list[str]) -> None:
        names = [f"LARGE_{number}" for number in range(10)]
        environ = harness.clean_environ(
            VAST_API_KEY=harness.VAST_KEY, **dict.fromkeys(names, "x" * 100_000)
        )
        code, output, errors = run(
            *("sh", "-c", "echo ${#LARGE_9}"), options=["--jail", *run_options], environ=environ
        )
        assert (code, output) == (0, "100000\n"), errors

    def test_has_no_proxy_set(self, run_options: list[str]) -> None:
        environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY, no_proxy="x")
        _, output, _ = run("env", options=["--jail", *run_options], environ=environ)
        names = {line.partition("=")[0].lower() for line in output.splitlines()}
        assert not names & {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
        assert "SSL_CERT_FILE=" in output
        assert harness.VAST_KEY not in output


class TestNetwork:
    @pytest.mark.parametrize("port", far_network.PORTS)
    def test_what_is_no_provider_is_as_outside(
        self, port: int, user: list[str], far: list[str], certs: Certificates
    ) -> None:
        """With its own certificate, on a port that is redirected and on one that is not."""
        program = f"""
import socket, ssl
context = ssl.create_default_context(cafile={str(certs.ca)!r})
raw = socket.create_connection(("some.host.example", {port}), timeout=20)
with context.wrap_socket(raw, server_hostname="localhost") as tls:
    print(tls.getpeername()[0], tls.recv(100).decode())
"""
        code, output, errors = run(PYTHON, "-c", program, options=["--jail"], prefix=[*far, *user])
        expected = f"{far_network.ADDRESS} {far_network.GREETING}\n"
        assert (code, output) == (0, expected), errors

    def test_loopback_services_are_out_of_reach(
        self, run_options: list[str], standin: StandIn
    ) -> None:
        port = standin.url.rpartition(":")[2]
        for host in ("127.0.0.1", "10.0.2.2"):
            code, _, _ = run(
                "curl",
                "-sSk",
                "--max-time",
                "5",
                f"https://{host}:{port}/_standin/stats",
                options=["--jail", *run_options],
            )
            assert code == 7  # "failed to connect"

    def test_unless_they_are_asked_for(self, run_options: list[str], standin: StandIn) -> None:
        port = standin.url.rpartition(":")[2]
        code, output, _ = run(
            *("curl", "-sSk", f"https://127.0.0.1:{port}/_standin/stats"),
            options=["--jail", "--jail-allow", f"localhost:{port}", *run_options],
        )
        assert code == 0
        assert "connections" in json.loads(output)

    @pytest.mark.parametrize("without", ["iptables", "nft"])
    def test_udp_443_is_refused_at_once(self, without: str, run_options: list[str]) -> None:
        """So that HTTP/3 falls back. Other UDP goes its way: that of DNS, for one."""
        program = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.settimeout(20)
    udp.connect(("203.0.113.5", 443))
    udp.send(b"x")
    try:
        udp.recv(1)
    except OSError as error:
        print(type(error).__name__)
"""
        code, output, errors = run(
            PYTHON, "-c", program, options=["--jail", *run_options], prefix=hiding(without)
        )
        assert (code, output) == (0, "ConnectionRefusedError\n"), errors

    def test_names_are_resolved_by_the_hosts_resolver(self, far: list[str]) -> None:
        """Which is on the host's loopback here, as systemd-resolved is."""
        program = "import socket; print(socket.gethostbyname('some.host.example'))"
        code, output, errors = run(PYTHON, "-c", program, options=["--jail"], prefix=far)
        assert (code, output) == (0, f"{far_network.ADDRESS}\n"), errors


class TestEnd:
    """Nothing is left of it, however it ends."""

    def test_of_an_app_that_leaves_others_behind(self, run_options: list[str]) -> None:
        script = (
            "for i in 1 2; do setsid sh -c 'echo ready; exec sleep 1000' & done; read line; exit 3"
        )
        with wrapped("sh", "-c", script, options=["--jail", *run_options]) as started:
            started.wait_for_line()
            started.wait_for_line()
            everything = started.children()
            assert len(everything) == 8  # two of them, the app, what is around it, who tidies up
            started.end()
            assert started.code == 3
            assert gone(*everything)

    def test_of_an_app_that_is_killed(self, run_options: list[str]) -> None:
        with wrapped("sh", "-c", WAITING, options=["--jail", *run_options]) as started:
            started.wait_for_line()
            everything = started.children()
            (app,) = [each for each in everything if each.cmdline()[0] == "sh"]
            app.kill()
            started.process.wait(30)
            assert started.code == -signal.SIGKILL
            assert gone(*everything)

    def test_when_a_process_of_the_jails_own_is_killed(self, run_options: list[str]) -> None:
        with wrapped("sh", "-c", WAITING, options=["--jail", *run_options]) as started:
            started.wait_for_line()
            everything = started.children()
            outer, inner = [each for each in everything if "inside.py" in " ".join(each.cmdline())]
            assert inner.ppid() == outer.pid
            outer.kill()
            started.process.wait(30)
            assert started.code == -signal.SIGKILL
            assert gone(*everything)

    @pytest.mark.parametrize("user", ["user"], indirect=True)
    def test_when_run_itself_is_killed(self, user: list[str], run_options: list[str]) -> None:
        with wrapped("sh", "-c", WAITING, options=["--jail", *run_options], prefix=user) as started:
            started.wait_for_line()
            everything = started.children()
            names = " ".join(" ".join(each.cmdline()) for each in everything)
            assert "slirp4netns" in names
            assert "inside.py" in names
            started.process.kill()
            assert gone(*everything)

    def test_when_the_interceptor_dies(self, run_options: list[str]) -> None:
        script = "trap 'echo asked to end; exit 4' TERM; echo ready; while :; do sleep 0.1; done"
        with wrapped("sh", "-c", script, options=["--jail", *run_options]) as started:
            started.wait_for_line()
            everything = started.children()
            started.child("background").kill()
            started.wait_for_line("asked to end")
            _, errors = started.end()
            assert "The interceptor has ended (SIGKILL)." in errors
            assert started.code == 4
            assert gone(*everything)

    def test_when_its_network_dies_and_the_app_does_not_listen(
        self, run_options: list[str]
    ) -> None:
        script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
        with wrapped("sh", "-c", script, options=["--jail", *run_options]) as started:
            started.wait_for_line()
            everything = started.children()
            started.child("slirp4netns").kill()
            _, errors = started.end()
            assert "The jail's network has ended" in errors
            assert started.code == -signal.SIGKILL
            assert gone(*everything)

    def test_nothing_is_left_on_the_host(self, run_options: list[str], tmp_path: Path) -> None:
        environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY, TMPDIR=str(tmp_path))
        before = Path("/proc/self/mountinfo").read_text()
        run("true", options=["--jail", *run_options], environ=environ)
        assert Path("/proc/self/mountinfo").read_text() == before
        assert list(tmp_path.glob("vast-intercept-*")) == []


class TestBadInput:
    @pytest.mark.parametrize(
        ("without", "package"),
        [(["nft", "iptables"], "nftables"), (["slirp4netns", "pasta"], "slirp4netns")],
    )
    def test_a_missing_tool_is_named_with_its_package(
        self, without: list[str], package: str, run_options: list[str]
    ) -> None:
        code, _, errors = run("true", options=["--jail", *run_options], prefix=hiding(*without))
        assert code == 125
        assert f"The jail needs {without[0]} (or {without[1]})" in errors
        assert f"apt-get install {package}" in errors

    def test_forbidden_user_namespaces_are_told_with_the_setting(
        self, run_options: list[str]
    ) -> None:
        forbidding = [
            *("unshare", "--user", "--map-root-user", "sh", "-c"),
            'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"',
            "sh",
        ]
        code, _, errors = run("true", options=["--jail", *run_options], prefix=forbidding)
        assert code == 125
        assert "the setting user.max_user_namespaces = 0 forbids" in errors
        assert "sysctl -w user.max_user_namespaces=" in errors


def hiding(*names: str) -> list[str]:
    """A command in front of another, for which these tools are no programs."""
    paths = [path for name in names if (path := shutil.which(name, path=ALL_PATHS))]
    script = 'for tool in $0; do mount --bind /dev/null "$tool"; done; exec "$@"'
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount"]
    return [*own_mounts, "sh", "-c", script, " ".join(paths), *USERS["user"]]
