"""A machine for the commands of a page: with files, processes and a network of its own.

The files are this machine's, but what is written to them is gone in the end. The network is
nothing but a loopback, on which the stand-in plays `openai.vast.ai`. `python`, `vast-intercept` and
what they rest on are those of the tests. In the current folder is a copy of the project.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from .. import harness
from ..harness import ENDPOINT, PROJECT, VAST_KEY, Process

_HERE = Path(__file__).parent
_SECONDS = 60.0
_NAMESPACES = ("--user", "--mount", "--net", "--pid")
_HOSTS = "127.0.0.1 localhost openai.vast.ai\n192.0.2.1 api.openai.com\n"  # RFC 5737: nobody's
_COPIED = (
    "addon",
    "config",
    "docs",
    "scripts",
    "requirements.txt",
    "requirements-dev.txt",
    "pyproject.toml",
)
_TLS_NAMES = ("openai.vast.ai", "api.openai.com")
_CAS = "/etc/ssl/certs/ca-certificates.crt"
_NOT_COPIED = shutil.ignore_patterns("__pycache__")
# What would have an app trust, ask or do other than it does by itself.
_SETTINGS = ("JAVA_", "NODE_", "OPENAI_", "PHP_", "PYTHON", "SSL_CERT", "WGETRC")
_SETTINGS_WITH = ("CA_BUNDLE", "CAINFO", "CERT")

# The first process: it waits for those that nobody else does.
_BEGIN = """
set -eu
mount -t proc proc /proc || : # some containers forbid it
ip link set lo up
mount --rbind /opt "$FOLDER/opt"
for path in /etc /opt /run /var/lib; do
    mount -t tmpfs tmpfs "$FOLDER/new"
    case $path in
    /etc) cp -dR --preserve=mode,links /etc/. "$FOLDER/new" 2>/dev/null || : ;;
    /opt) ln -s "$FOLDER"/opt/* "$FOLDER/new" ;;
    esac
    mount -n --move "$FOLDER/new" "$path"
done
cp "$FOLDER/hosts" /etc/hosts
mount --bind "$FOLDER/cas.pem" "$CAS"
echo ready
while sleep 1000; do :; done
"""


class Machine:
    """Runs commands. Needs `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "vast-intercept"
        self.home = folder / "home"
        self.temporary = folder / "temporary"
        self._lay_out()
        for name in ("new", "opt"):
            (folder / name).mkdir()
        (folder / "hosts").write_text(_HOSTS)
        ca, self._certificate, self._key = harness.certificate(folder, *_TLS_NAMES)
        (folder / "cas.pem").write_bytes(Path(_CAS).read_bytes() + ca.read_bytes())
        self.environ = self._environ()
        self._first = Process(
            *("unshare", *_NAMESPACES, "--map-root-user", "--fork", "--kill-child"),
            *("sh", "-c", _BEGIN),
            environ={
                **self.environ,
                "FOLDER": str(folder),
                "CAS": _CAS,
            },
        )
        self._first.wait_for("ready")
        (child,) = psutil.Process(self._first.process.pid).children()
        self._enter = ["nsenter", f"--target={child.pid}", *_NAMESPACES, "--preserve-credentials"]
        self._standin = self._start_standin(f"--api-key {VAST_KEY} --endpoint {ENDPOINT}")

    def close(self) -> None:
        """Ends all that runs on it."""
        self._first.process.kill()
        self._first.stop()
        self._standin.stop()

    def start(self, commands: str, environ: Mapping[str, str] | None = None) -> Process:
        """Starts commands, in a shell that ends with the first that fails."""
        script = f"cd {self.project}\nset -e\n{commands}"
        return Process(*self._enter, "sh", "-c", script, environ=dict(environ or self.environ))

    def run(self, commands: str, environ: Mapping[str, str] | None = None) -> str:
        """Runs commands to their end, which must be good. Returns what they print."""
        started = self.start(commands, environ)
        try:
            code = started.process.wait(_SECONDS)
        finally:
            started.stop()
        assert code == 0, f"exit code {code}\n{commands}\n{started.output}"
        return started.output

    @contextmanager
    def running(
        self, commands: str, environ: Mapping[str, str] | None = None, port: int = 8080
    ) -> Iterator[Process]:
        """Commands that go on until they are interrupted, with something that listens."""
        started = self.start(commands, environ)
        try:
            self.wait_for_port(port)
            yield started
        finally:
            _end(started)

    def wait_for_port(self, port: int = 8080) -> None:
        """Waits until something listens there."""
        deadline = time.monotonic() + _SECONDS
        while str(port) not in self.run(f"ss -Hltn 'sport = :{port}'"):
            assert time.monotonic() < deadline, f"nothing listens at port {port}"

    @contextmanager
    def provider(self, model: str) -> Iterator[None]:
        """Has `api.openai.com` answer, which is nobody's otherwise."""
        hosts = self.folder / "hosts"
        self.run(f"sed 's/^192.0.2.1 /127.0.0.2 /' {hosts} >/etc/hosts")
        # mitmproxy trusts the CAs of a package, not those of the system.
        trusting = self.home / ".mitmproxy" / "config.yaml"
        trusting.parent.mkdir(exist_ok=True)
        trusting.write_text(f"ssl_verify_upstream_trusted_ca: {self.folder / 'cas.pem'}\n")
        provider = self._start_standin(f"--host 127.0.0.2 --model {model}")
        try:
            yield
        finally:
            _end(provider)
            trusting.unlink()
            self.run(f"cp {hosts} /etc/hosts")

    def _start_standin(self, options: str) -> Process:
        started = self.start(
            f"vast-intercept standin --port 443 {options}"
            f" --tls-cert {self._certificate} --tls-key {self._key}"
        )
        started.wait_for("ready at")
        return started

    def calls(self) -> list[dict[str, Any]]:
        """The calls that reached the stand-in since this was asked last."""
        url = "https://openai.vast.ai/_standin/calls"
        curl = "curl --silent --show-error --fail --insecure --noproxy '*'"
        calls: list[dict[str, Any]] = json.loads(self.run(f"{curl} {url}"))
        self.run(f"{curl} --request DELETE {url}")
        return calls

    def _lay_out(self) -> None:
        """The project, as after `git clone` and a first `./scripts/serve`; an app; a home."""
        self.project.mkdir()
        for name in (*_COPIED, "README.md", "LICENSE"):
            path = PROJECT / name
            if path.is_dir():
                shutil.copytree(path, self.project / name, ignore=_NOT_COPIED)
            else:
                shutil.copy(path, self.project)
        venv = self.project / ".venv"
        venv.mkdir()
        for name in ("bin", "lib", "pyvenv.cfg"):
            (venv / name).symlink_to(Path(sys.prefix, name))
        made_from = (PROJECT / ".venv" / "ingredients").read_text()
        (venv / "ingredients").write_text(made_from.replace(str(PROJECT), str(self.project)))
        shutil.copytree(_HERE / "apps", self.project, dirs_exist_ok=True, ignore=_NOT_COPIED)
        self.home.mkdir()
        self.temporary.mkdir()

    def _environ(self) -> dict[str, str]:
        paths = [_HERE / "bin", Path(sys.executable).parent, os.environ["PATH"], "/usr/sbin:/sbin"]
        kept = {
            name: value
            for name, value in harness.clean_environ().items()
            if not name.startswith(_SETTINGS) and not any(word in name for word in _SETTINGS_WITH)
        }
        return kept | {
            "PATH": ":".join(map(str, paths)),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "TEST_PYTHON": sys.executable,
            "VAST_API_KEY": VAST_KEY,
            "VAST_ENDPOINT": ENDPOINT,
        }


def _end(started: Process) -> None:
    """Ends what a process runs, not what that was started through, which would not pass it on."""
    for each in psutil.Process(started.process.pid).children(recursive=True):
        if not each.children():
            each.terminate()
    started.process.wait(_SECONDS)
    started.stop()
