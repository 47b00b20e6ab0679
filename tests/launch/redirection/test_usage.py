"""What `scripts/transparent` refuses, and how it says so."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ... import harness
from .command import SCRIPT, done, run, transparent
from .network import new_namespace

FROM = ("--from", "10.1.0.0/24")


@pytest.fixture(scope="module", autouse=True)
def _untouched() -> Iterator[None]:
    """A namespace for all of these tests, with a firewall that has not changed in the end."""
    with new_namespace():
        run("nft", "add table inet others", check=True)
        yield
        assert done(run("nft", "list", "ruleset")) == "table inet others {\n}\n"


def delete_tables_of_iptables() -> None:
    """Deletes them: iptables makes them when it needs them, and leaves them there when empty."""
    for family in ("ip", "ip6"):
        for table in ("filter", "nat"):
            run("nft", "delete", "table", family, table)


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[None]:
    """Something that listens, as root."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 8080), family=family):
        yield


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "up, down or status"),
        (["sideways"], "'sideways'"),
        (["down", "--port", "80"], "down takes no options"),
        (["status", "now"], "status takes no options"),
        (["up"], "at least one of --user, --interface, --from"),
        (["up", "--port", "80"], "at least one of"),
        (["up", "--nonsense", *FROM], "'--nonsense'"),
        (["up", "10.1.0.0/24"], "'10.1.0.0/24'"),
        (["up", "--from"], "--from needs a value"),
        (["up", *FROM, "--tool", "ufw"], "'ufw'"),
        *[
            (["up", *FROM, "--port", port], f"--port '{port}'")
            for port in (
                "0",
                "65536",
                "080",
                "http",
                "-1",
                "8080;",
                "1 2",
                "99999999999999999999",
                "",
            )
        ],
        *[
            (["up", "--user", user], f"--user '{user}'")
            for user in ("nobody-of-that-name", "4294967295", "-u", "", "root; drop", "1\n2")
        ],
        *[
            (["up", "--interface", name], f"--interface '{name}'")
            for name in (
                "eth99",
                "",
                "lo*",
                "l+",
                'a"b',
                "-i",
                "a b",
                "lo lo",
                "sixteen-letters-",
                "*",
            )
        ],
        (["up", "--interface", "lo"], "--interface lo "),
        *[
            (["up", "--from", network], f"--from '{network}'")
            for network in (
                *("", "here", "10.0.0", "10.0.0.0.0", "10..0.1", "10.0.0.256", "10.0.0.01"),
                *("10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/-1", "/8", "0x0a000001"),
                *(".10.0.0.1", "10.0.0.1.", "10.0.0.1 10.0.0.2", "10.0.0.1,10.0.0.2", "!10.0.0.1"),
                *("10.0.0.1-10.0.0.9", "10.0.0.0/24; flush ruleset", "10.0.0.1\nflush ruleset"),
                *(":", ":::", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8"),
                *(
                    "fd00::/129",
                    "fd00::g",
                    "12345::",
                    ":1:2:3:4:5:6:7",
                    "1:2:3:4:5:6:7:",
                    "fe80::1%lo",
                ),
                *("::ffff:10.0.0.1", "fd00::/64 accept", "$(id)", "`id`", "*"),
            )
        ],
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], complaint: str) -> None:
    result = transparent(*arguments)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert "Try: scripts/transparent --help" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("tool", ["nft", "iptables"])
def test_all_forms_of_networks_are_understood(tool: str) -> None:
    networks = [
        *("10.1.2.3", "10.1.2.3/8", "0.0.0.0/0", "255.255.255.255/32", "::/0", "::1", "fd00::"),
        *("FD00::1/8", "1:2:3:4:5:6:7:8", "1::8/128", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7::/112"),
    ]
    options = [word for network in networks for word in ("--from", network)]
    assert transparent("up", "--tool", tool, *options).returncode == 0
    status = done(transparent("status"))
    for network in networks:
        assert f"  from {network}: " in status
    done(transparent("down"))
    delete_tables_of_iptables()


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option: str) -> None:
    for arguments in ([option], ["up", option]):
        assert "Usage: scripts/transparent up " in done(transparent(*arguments))


def test_status_of_nothing_has_a_code_of_its_own() -> None:
    result = transparent("status")
    assert (result.returncode, result.stdout) == (3, "Down: nothing is redirected.\n")


class TestTheInterceptor:
    def test_must_not_be_run_by_a_chosen_user(self, listener: None, user: str) -> None:
        result = transparent("up", "--user", user, "--user", "root")
        assert result.returncode == 1
        assert "port 8080 runs as user 0" in result.stderr

    def test_must_run_first_if_users_are_chosen(self, user: str) -> None:
        result = transparent("up", "--user", user)
        assert result.returncode == 1
        assert "Nothing listens on port 8080" in result.stderr
        assert "./scripts/serve --mode transparent@127.0.0.1:8080" in result.stderr

    def test_may_come_later_otherwise(self) -> None:
        result = transparent("up", *FROM)
        assert result.returncode == 0
        assert "Nothing listens on port 8080 yet" in result.stderr
        done(transparent("down"))

    def test_may_be_run_by_any_other_user(self, listener: None, user: str) -> None:
        done(transparent("up", "--user", user))
        done(transparent("down"))


class TestRouting:
    @pytest.mark.parametrize(
        ("network", "sysctl", "file"),
        [
            ("10.1.0.0/24", "net.ipv4.ip_forward", "ipv4/ip_forward"),
            ("fd00:1::/64", "net.ipv6.conf.all.forwarding", "ipv6/conf/all/forwarding"),
        ],
    )
    def test_must_be_on(self, network: str, sysctl: str, file: str, listener: None) -> None:
        switch = Path("/proc/sys/net", file)
        switch.write_text("0")
        assert f"sysctl -w {sysctl}=1" in transparent("up", "--from", network).stderr
        switch.write_text("1")
        done(transparent("up", "--from", network))
        done(transparent("down"))


class TestRoot:
    @pytest.mark.parametrize("arguments", [("up", *FROM), ("down",), ("status",)])
    def test_is_needed(self, arguments: tuple[str, ...]) -> None:
        # Without a mapping of ids this user is nobody, but one who may still read root's files.
        result = run("unshare", "--user", SCRIPT, *arguments)
        assert result.returncode == 1
        assert f"sudo scripts/transparent {' '.join(arguments)}" in result.stderr

    @pytest.mark.parametrize("arguments", [("up", *FROM), ("down",), ("status",)])
    def test_of_another_namespace_is_not_enough(self, arguments: tuple[str, ...]) -> None:
        result = run("unshare", "--user", "--map-root-user", SCRIPT, *arguments)
        assert result.returncode == 1
        assert re.search("not permitted|[Pp]ermission denied", result.stderr)


def test_iptables_where_there_is_no_nft(listener: None) -> None:
    no_nft = 'mount --bind /dev/null "$(command -v nft)" && exec "$@"'
    result = run("unshare", "--mount", "sh", "-c", no_nft, "sh", SCRIPT, "up", *FROM)
    assert "with iptables:" in result.stdout
    assert "Up, with iptables:" in done(transparent("status"))
    done(transparent("down"))
    delete_tables_of_iptables()


class TestPython:
    """Which one runs it where the project's own is not installed."""

    @staticmethod
    def run_without_venv(path: str) -> subprocess.CompletedProcess[str]:
        hidden = (
            'mount -t tmpfs none "$0" && HOME=/nowhere PYENV_ROOT=/nowhere PATH=$1 exec "$2" status'
        )
        venv = str(harness.PROJECT / ".venv")
        return run("unshare", "--mount", "sh", "-c", hidden, venv, path, SCRIPT)

    def test_is_found_on_the_path(self) -> None:
        result = self.run_without_venv(f"{sys.base_prefix}/bin:{os.environ['PATH']}")
        assert (result.returncode, result.stdout) == (3, "Down: nothing is redirected.\n")

    def test_is_asked_for_where_there_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "dirname").symlink_to(str(shutil.which("dirname")))
        result = self.run_without_venv(str(tmp_path))
        assert result.returncode == 1
        assert result.stderr == (
            "scripts/transparent: This needs Python 3.9 or newer, and none was found.\n"
        )
