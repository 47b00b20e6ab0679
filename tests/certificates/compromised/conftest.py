"""A mitmproxy that has the compromised key: 12.3.1 (FACTS M21, M45)."""

import site
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from ... import harness
from ...end_to_end.clients import environments
from ...harness import PROJECT

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_FOLDER = PROJECT / ".venv" / "clients" / "mitmproxy-12.3"


@pytest.fixture(scope="session")
def newer_mitmproxy() -> Path:
    """Where the commands of mitmproxy 12.3.1 are. What else it needs, it has from here."""
    with environments._made(_FOLDER, sys.version, _REQUIREMENTS.read_text()) as missing:
        if missing:
            environments._run(sys.executable, "-m", "venv", "--without-pip", str(_FOLDER))
            pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
            python = ("--python", str(_FOLDER / "bin" / "python"))
            install = ("install", "--no-compile", "--no-deps", "--only-binary", ":all:")
            environments._run(*pip, *python, *install, "--requirement", str(_REQUIREMENTS))
            packages = next(_FOLDER.glob("lib/python*/site-packages"))
            (packages / "tests.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return _FOLDER / "bin"


class Impostor(NamedTuple):
    """A server for localhost whose certificate is signed with the compromised key."""

    url: str
    #: Public CAs: those that have signed the authority, and another one.
    store: Path


@pytest.fixture(scope="module", params=["emudhra", "emudhra_old"])
def impostor(
    request: pytest.FixtureRequest, newer_mitmproxy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Impostor]:
    folder = tmp_path_factory.mktemp("impostor")
    chain = newer_mitmproxy.parent.glob("lib/python*/site-packages/mitmproxy/certs.py")
    text = next(chain).read_text().partition("EMUDHRA_CHAIN_PEM")[2]
    begins, ends = text.index("-----BEGIN CERT"), text.index('\n"""')
    store = folder / "store.pem"
    store.write_bytes(text[begins:ends].encode() + b"\n" + trustme.CA().cert_pem.bytes())
    command = [str(newer_mitmproxy / "mitmdump"), "--mode", "reverse:http://127.0.0.1:1"]
    command += ["--set", "connection_strategy=lazy"]
    option = ("--set", f"{request.param}=true", "--listen-host", "127.0.0.1")
    server = harness.Interceptor(command, folder, *option, environ=harness.clean_environ())
    yield Impostor(f"https://localhost:{server.port}", store)
    server.stop()
