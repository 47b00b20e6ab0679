"""Runs tests in a network of their own, as its root: a pytest inside, whose reports come out."""

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ... import harness

_REPORTS = "VAST_INTERCEPT_TEST_REPORTS"
# All the names that the tests know: there is no DNS inside.
_HOSTS = """\
127.0.0.1 localhost
::1 localhost
192.0.2.1 api.openai.com other.example
2001:db8:2::1 api.openai.com other.example
"""
_START = """
set -e
echo unshared
read -r _
mount --bind "$1" /etc/hosts
ip link set lo up
shift
exec "$@"
"""

Report = dict[str, Any]


def reports_file() -> Path | None:
    """Where the pytest inside reports to, or None outside."""
    path = os.environ.get(_REPORTS)
    return Path(path) if path else None


def run(nodes: Iterable[str]) -> tuple[dict[str, list[Report]], str]:
    """Runs tests inside. Returns the reports of each as JSON has them, and what pytest printed."""
    with TemporaryDirectory() as folder:
        hosts, reports = Path(folder, "hosts"), Path(folder, "reports")
        hosts.write_text(_HOSTS)
        reports.touch()
        pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *nodes]
        environ = {_REPORTS: str(reports), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        output = _unshare(["sh", "-c", _START, "sh", str(hosts), *pytest], environ)
        by_node: dict[str, list[Report]] = defaultdict(list)
        for line in reports.read_text().splitlines():
            report = json.loads(line)
            if isinstance(report["longrepr"], list):  # why it was skipped: JSON knows no tuples
                report["longrepr"] = tuple(report["longrepr"])
            by_node[report["nodeid"]].append(report)
    return by_node, output


def has_user(uid: int) -> bool:
    """Whether there is such a user inside."""
    return any(first <= uid < first + count for first, count in _ranges("uid_map"))


def _ranges(kind: str) -> list[tuple[int, int]]:
    lines = Path("/proc/self", kind).read_text().splitlines()
    return [(int(first), int(count)) for first, _, count in map(str.split, lines)]


def _unshare(command: list[str], environ: dict[str, str]) -> str:
    # Root can have all of its users inside; anybody else itself, and others if newuidmap helps.
    is_root = os.geteuid() == 0
    users = ["--user"]
    if not is_root:
        users += ["--map-root-user", *(["--map-auto"] if shutil.which("newuidmap") else [])]
    with subprocess.Popen(
        ["unshare", *users, "--net", "--mount", *command],
        cwd=harness.PROJECT,
        env=harness.clean_environ(**environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        started = process.stdout.readline()
        if is_root and started == "unshared\n":
            for kind in ("uid_map", "gid_map"):
                same = [f"{first} {first} {count}\n" for first, count in _ranges(kind)]
                Path(f"/proc/{process.pid}/{kind}").write_text("".join(same))
        return started + process.communicate("mapped\n")[0]
