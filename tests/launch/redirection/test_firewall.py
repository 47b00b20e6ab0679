"""What `scripts/transparent` does to a firewall, and that all of it can be undone."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .command import SCRIPT, done, run, transparent
from .network import new_namespace

SOMEBODY = ("--from", "10.1.0.0/24", "--from", "fd00:1::/64")
SOMEBODY_ELSE = ("--from", "10.2.0.0/24", "--port", "9090")
COMMANDS = [
    "nft",
    *(
        f"{family}{suffix}"
        for family in ("iptables", "ip6tables")
        for suffix in ("", "-save", "-restore")
    ),
]

# Enough for what is slow.
ONE_IPTABLES = pytest.mark.parametrize("tool", ["nft", "iptables"], indirect=True)

# A firewall as a router may have it, with what could be taken for ours.
_NFT_RULES = """
table inet filter {
    set friends {
        type ipv4_addr
        elements = { 10.1.0.7, 10.1.0.8 }
    }
    chain input {
        type filter hook input priority 0; policy drop;
        tcp dport { 22, 443, 8080 } accept comment "vast_intercept"
    }
}
table inet vast_intercept_too {
    chain prerouting {
        type nat hook prerouting priority -100
        tcp dport 8443 redirect to :443
    }
}
"""
_IPTABLES_RULES = """
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:MINE - [0:0]
-A FORWARD -m comment --comment "no -j VAST_INTERCEPT_SENT" -j MINE
-A FORWARD -p udp -m udp --dport 443 -j ACCEPT
-A MINE -p tcp -m tcp --dport 443 -m comment --comment vast-intercept -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 8443
-A OUTPUT -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888
COMMIT
"""
# Counts the calls of all commands, and has one of them come to grief.
_SABOTEUR = """#!/bin/sh
count=$(($(cat {count}) + 1))
echo $count >{count}
[ $count -ne {nth} ] || {{ {mishap}; }}
exec {real} "$@"
"""
KILL = "kill -9 0"
FAIL = "echo sabotage >&2; exit 4"
INTERRUPT = "kill -TERM $PPID"


def firewall() -> str:
    """All of it, but for the times at which it was listed."""
    listings = (["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"])
    text = "\n".join(run(*command, check=True).stdout for command in listings)
    return re.sub("^# .*$", "", text, flags=re.MULTILINE)


@pytest.fixture
def before(tool: str) -> Iterator[str]:
    """A firewall with others' rules, in a namespace of its own."""
    with new_namespace():
        run("ip", "link", "add", "outside", "type", "bridge", check=True)
        subprocess.run(["nft", "-f", "-"], input=_NFT_RULES, text=True, check=True, timeout=10)
        for command in ("iptables-restore", "ip6tables-restore"):
            subprocess.run([command], input=_IPTABLES_RULES, text=True, check=True, timeout=10)
        yield firewall()


def up(*choice: str) -> None:
    """Runs it. Here nothing listens and nothing is routed, of which it warns."""
    result = transparent("up", *choice)
    assert result.returncode == 0, result.stderr


class TestNothingElseChanges:
    def test_while_it_is_up(self, tool: str, before: str) -> None:
        up("--tool", tool, *SOMEBODY)
        assert not set(before.splitlines()) - set(firewall().splitlines())

    def test_after_down(self, tool: str, before: str) -> None:
        up("--tool", tool, *SOMEBODY)
        assert firewall() != before
        done(transparent("down"))
        assert firewall() == before

    def test_when_it_is_not_up(self, tool: str, before: str) -> None:
        assert done(transparent("down")) == "Nothing was redirected.\n"
        assert transparent("status").returncode == 3
        assert firewall() == before


@pytest.mark.parametrize("tool", ["iptables", "iptables-legacy"], indirect=True)
@pytest.mark.parametrize(("table", "chain"), [("filter", "FORWARD"), ("nat", "PREROUTING")])
def test_rules_of_others_do_not_come_first(tool: str, before: str, table: str, chain: str) -> None:
    up("--tool", tool, *SOMEBODY)
    for command in ("iptables", "ip6tables"):
        _, first, *others = done(run(command, "-t", table, "-S", chain)).splitlines()
        assert first.endswith(" -j VAST_INTERCEPT_ROUTED")
        assert others


class TestAnotherUp:
    def test_replaces_the_first(self, tool: str, before: str) -> None:
        up("--tool", tool, *SOMEBODY_ELSE)
        once = firewall()
        done(transparent("down"))
        up("--tool", tool, *SOMEBODY)
        up("--tool", tool, *SOMEBODY_ELSE)
        assert firewall() == once
        done(transparent("down"))
        assert firewall() == before

    def test_with_the_other_tool_too(self, tool: str, before: str) -> None:
        other = "nft" if tool == "iptables" else "iptables"
        up("--tool", other, *SOMEBODY)
        up("--tool", tool, *SOMEBODY_ELSE)
        assert f"Up, with {tool}:" in done(transparent("status"))
        assert "10.1.0.0/24" not in firewall()
        done(transparent("down"))
        assert firewall() == before


# A mishap, and the script's arguments; the results.
Sabotage = Callable[..., Iterator[subprocess.CompletedProcess[str]]]


@pytest.fixture
def sabotaged(tmp_path: Path) -> Sabotage:
    """Runs the script with a mishap at the first command that it calls, then at the second, ...

    In the last run there is none.
    """

    def runs(mishap: str, *arguments: str) -> Iterator[subprocess.CompletedProcess[str]]:
        calls = nth = 0
        while calls >= nth:
            nth += 1
            folder = tmp_path / str(nth)
            folder.mkdir()
            count = folder / "count"
            count.write_text("0\n")
            for name in COMMANDS:
                values = {"count": count, "nth": nth, "mishap": mishap, "real": shutil.which(name)}
                (folder / name).write_text(_SABOTEUR.format(**values))
                (folder / name).chmod(0o755)
            yield subprocess.run(
                [SCRIPT, *arguments],
                env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
                start_new_session=True,  # what is killed is the group
            )
            calls = int(count.read_text())
        assert nth > 2

    return runs


@ONE_IPTABLES
class TestAfterACrash:
    def test_of_up_down_undoes_all(self, tool: str, before: str, sabotaged: Sabotage) -> None:
        for _ in sabotaged(KILL, "up", "--tool", tool, *SOMEBODY):
            done(transparent("down"))
            assert firewall() == before

    def test_of_a_second_up_another_one_completes_it(
        self, tool: str, before: str, sabotaged: Sabotage
    ) -> None:
        up("--tool", tool, *SOMEBODY)
        complete = firewall()
        for _ in sabotaged(KILL, "up", "--tool", tool, *SOMEBODY_ELSE):
            up("--tool", tool, *SOMEBODY)
            assert firewall() == complete

    def test_of_down_another_one_completes_it(
        self, tool: str, before: str, sabotaged: Sabotage
    ) -> None:
        up("--tool", tool, *SOMEBODY)
        for _ in sabotaged(KILL, "down"):
            done(transparent("down"))
            assert firewall() == before
            up("--tool", tool, *SOMEBODY)


@ONE_IPTABLES
class TestWhenACommandFails:
    def test_up_undoes_itself(self, tool: str, before: str, sabotaged: Sabotage) -> None:
        *failed, last = [
            (result, firewall()) for result in sabotaged(FAIL, "up", "--tool", tool, *SOMEBODY)
        ]
        for result, after in failed:
            assert (result.returncode, after) == (1, before)
            assert "sabotage" in result.stderr
        assert last[0].returncode == 0

    def test_a_signal_is_such_a_failure(self, tool: str, before: str, sabotaged: Sabotage) -> None:
        *interrupted, last = [
            (result, firewall()) for result in sabotaged(INTERRUPT, "up", "--tool", tool, *SOMEBODY)
        ]
        for result, after in interrupted:
            assert "Interrupted by SIGTERM." in result.stderr
            assert result.returncode == 1
            assert after == before or tool == "nft"  # which has loaded all of it, or nothing
        assert last[0].returncode == 0

    def test_down_says_so(self, tool: str, before: str, sabotaged: Sabotage) -> None:
        up("--tool", tool, *SOMEBODY)
        results = []
        for result in sabotaged(FAIL, "down"):
            results.append(result)
            up("--tool", tool, *SOMEBODY)
        *failed, last = results
        for result in failed:
            assert result.returncode == 1
            assert "sabotage" in result.stderr
        assert last.returncode == 0


@pytest.mark.parametrize("tool", ["iptables"], indirect=True)
class TestWithoutIP6tables:
    @pytest.fixture(autouse=True)
    def _broken(self, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = tmp_path / "ip6tables"
        fake.write_text("#!/bin/sh\necho no such thing >&2; exit 3\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def test_ipv4_alone_is_redirected(self, before: str, tool: str) -> None:
        result = transparent("up", "--tool", tool, "--interface", "outside")
        assert result.returncode == 0
        assert "IPv6 is not redirected: no such thing" in result.stderr
        assert "interface outside" in done(transparent("status"))
        done(transparent("down"))
        assert firewall() == before

    def test_chosen_ipv6_is_an_error(self, before: str, tool: str) -> None:
        result = transparent("up", "--tool", tool, *SOMEBODY)
        assert result.returncode == 1
        assert "ip6tables does not work, which fd00:1::/64 needs: no such thing" in result.stderr
        assert firewall() == before
