"""`vast-intercept ca`, as it is used: `vast-intercept env` is in test_env_command.py."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from .. import harness
from ..harness import Certificates, Interceptor, StandIn

COMMAND = harness.tool("vast-intercept")
PLATFORMS = ("Debian", "Fedora", "macOS", "Windows", "Firefox", "Java", "Docker", "Android")


@pytest.fixture(scope="module")
def serve(_standin: StandIn, certs: Certificates, confdir: Path) -> Iterator[Interceptor]:
    """A running interceptor."""
    config = {"vast": harness.vast_section(_standin, certs.ca)}
    with harness.intercept(confdir, config, kind="serve") as interceptor:
        yield interceptor


def ask(*arguments: str) -> tuple[int, str, str]:
    """Runs `vast-intercept` with the arguments: exit code, output, errors."""
    done = subprocess.run(
        [COMMAND, *arguments],
        env=harness.clean_environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class TestCa:
    def test_shows_it_and_how_to_trust_it(self, serve: Interceptor) -> None:
        code, output, _ = ask("ca", "--confdir", str(serve.folder))
        assert code == 0
        certificate = x509.load_pem_x509_certificate(serve.ca.read_bytes())
        for text in (
            str(serve.ca),
            certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
            f"{certificate.not_valid_after_utc:%Y-%m-%d}",
            *PLATFORMS,
        ):
            assert text in output

    def test_makes_one_that_an_interceptor_takes(self, tmp_path: Path) -> None:
        folder = tmp_path / "new"
        assert ask("ca", "--confdir", str(folder))[0] == 0
        made = (folder / "mitmproxy-ca-cert.pem").read_bytes()
        with harness.intercept(folder, {}, kind="serve") as interceptor:
            assert interceptor.ca.read_bytes() == made

    def test_an_expired_one(self, expired_ca: Path) -> None:
        code, output, errors = ask("ca", "--confdir", str(expired_ca))
        assert code == 1
        assert "SHA-256" in output
        assert "has expired on" in errors
        assert ask("ca", "--confdir", str(expired_ca), "--install")[0] == 1

    def test_something_that_is_no_ca(self, tmp_path: Path) -> None:
        (tmp_path / "mitmproxy-ca-cert.pem").write_text("nonsense")
        code, _, errors = ask("ca", "--confdir", str(tmp_path))
        assert code == 1
        assert "is not the certificate of a CA" in errors


# Changes stay in a layer of their own.
_LAYERS = """
set -e
PATH=$PATH:/usr/sbin:/sbin
for place in /etc /usr/local/share; do
    layer=$0/layers$place
    mkdir -p "$layer/changes" "$layer/work"
    mount -t overlay overlay -o "lowerdir=$place,upperdir=$layer/changes,workdir=$layer/work" $place
done
"""

_DEBIAN = """
rm -rf /etc/ca-certificates/update.d/*
trusted() { openssl verify -CApath /etc/ssl/certs "$1" >/dev/null 2>&1 && echo yes || echo no; }
ca() { "$1" ca --confdir "$2" "$3"; }
trusted "$2/mitmproxy-ca-cert.pem"
ca "$1" "$2" --install
ca "$1" "$2" --install
trusted "$2/mitmproxy-ca-cert.pem"
grep -c BEGIN /etc/ssl/certs/ca-certificates.crt
ca "$1" "$2" --uninstall
trusted "$2/mitmproxy-ca-cert.pem"
ca "$1" "$2" --uninstall
"""


class TestSystem:
    def test_debian_is_made_to_trust_it_and_no_longer(
        self, serve: Interceptor, tmp_path: Path
    ) -> None:
        before = _listing(Path("/etc/ssl/certs"))
        own = ["unshare", "--user", "--map-root-user", "--mount"]
        done = subprocess.run(
            [*own, "sh", "-c", _LAYERS + _DEBIAN, str(tmp_path), COMMAND, str(serve.folder)],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        assert [lines[0], lines[3], lines[6]] == ["no", "yes", "no"]
        file = "/usr/local/share/ca-certificates/vast-intercept-"
        assert lines[1].startswith(f"This system trusts the CA now: {file}")
        assert lines[5].startswith(f"Removed: {file}")
        assert lines[7] == "This system did not trust the CA."
        assert _listing(Path("/etc/ssl/certs")) == before

    def test_fedora(self, serve: Interceptor, tmp_path: Path) -> None:
        """With a command and a folder in place of Fedora's."""
        tools = tmp_path / "tools"
        tools.mkdir()
        (tools / "update-ca-trust").write_text('#!/bin/sh\necho "$@" >>"$0.calls"\n')
        (tools / "update-ca-trust").chmod(0o755)
        script = """
mkdir -p /etc/pki/ca-trust/source
debians=$(command -v update-ca-certificates) && mount --bind /dev/null "$debians"
PATH=$0/tools:$PATH
"$1" ca --confdir "$2" --install
ls /etc/pki/ca-trust/source/anchors
"$1" ca --confdir "$2" --uninstall
ls /etc/pki/ca-trust/source/anchors
"""
        own = ["unshare", "--user", "--map-root-user", "--mount"]
        done = subprocess.run(
            [*own, "sh", "-c", _LAYERS + script, str(tmp_path), COMMAND, str(serve.folder)],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        assert len(lines) == 3
        assert lines[0].endswith(lines[1])
        assert re.fullmatch(r"vast-intercept-[0-9a-f]{8}\.pem", lines[1])
        assert (tools / "update-ca-trust.calls").read_text() == "extract\nextract\n"

    def test_without_root(self, serve: Interceptor) -> None:
        if shutil.which("update-ca-certificates", path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.fail("apt-get install ca-certificates")
        # /usr/local of root's, seen by who is nobody in particular.
        script = 'mount --bind -o ro "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
        done = subprocess.run(
            [
                *(*own, "/usr/local/share/ca-certificates"),
                *(COMMAND, "ca", "--confdir", str(serve.folder), "--install"),
            ],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 1
        assert "That takes root" in done.stderr


def _listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((each.name, each.lstat().st_mtime_ns) for each in folder.iterdir())
