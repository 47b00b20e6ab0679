"""What is installed is locked, by hash, and looked up among known vulnerabilities."""

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..harness import PROJECT

LOCKS = ("requirements.txt", "requirements-dev.txt")


def versions(file: str) -> dict[str, set[str]]:
    """By name: each version with its marker."""
    found: dict[str, set[str]] = {}
    for line in (PROJECT / file).read_text().replace("\\\n", " ").splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement = Requirement(line.partition(" --hash")[0].strip())
            found.setdefault(canonicalize_name(requirement.name), set()).add(
                str(requirement.specifier)
            )
    return found


@pytest.mark.parametrize("file", LOCKS)
def test_each_file_that_may_be_installed_is_named_by_its_hash(file: str) -> None:
    text = (PROJECT / file).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) > 50
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==\S+ (; .+?)?( +--hash=sha256:[0-9a-f]{64})+", line), line


def test_the_locks_have_the_versions_that_are_known_to_work_together() -> None:
    """If not: ./scripts/lock."""
    known, to_work, to_use = map(versions, ("constraints.txt", *reversed(LOCKS)))
    assert to_work == known
    assert {name: known[name] & used for name, used in to_use.items()} == to_use


def test_the_locks_have_all_that_is_asked_for() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    needed = {canonicalize_name(Requirement(each).name) for each in project["dependencies"]}
    extras = project["optional-dependencies"]
    to_work = {canonicalize_name(Requirement(each).name) for each in extras["dev"] + extras["demo"]}
    assert needed <= set(versions("requirements.txt"))
    assert to_work - {"vast-intercept"} <= set(versions("requirements-dev.txt"))


class Database(BaseHTTPRequestHandler):
    """Knows one vulnerability, in h11."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        vulnerability = {
            "id": "GHSA-test",
            "details": "It is vulnerable.",
            "affected": [
                {
                    "package": {"name": "h11", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "99.1"}]}],
                }
            ],
        }
        found = {"vulns": [vulnerability]} if asked["package"]["name"] == "h11" else {}
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def database() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def audit(url: str) -> tuple[int, str]:
    environ = {**os.environ, "PIP_AUDIT_OSV_URL": url}
    done = subprocess.run(
        [sys.executable, str(PROJECT / "scripts" / "audit.py")],
        env={name: value for name, value in environ.items() if "proxy" not in name.lower()},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_known_vulnerability_is_named_and_fails_the_check() -> None:
    with database() as url:
        code, output = audit(url)
    assert code == 1
    assert re.fullmatch(r"h11 \S+: GHSA-test, mended in 99\.1\n", output)


def test_a_database_that_cannot_be_had_is_told_of_and_does_not_fail_the_check() -> None:
    with database() as url:
        pass
    code, output = audit(url)
    assert code == 0
    assert output.startswith("Known vulnerabilities were not looked up: ")
