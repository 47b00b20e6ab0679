"""The files that an app in the jail finds replaced: lists of CAs, and the name server."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ...certificates.own_ca import CaError, CertificateAuthority
from ...certificates.public_cas import SYSTEM_BUNDLES
from ...certificates.trust_files import TrustFiles

#: The resolver of slirp4netns, which asks the host's. pasta is started with the same address.
RESOLVER = "10.0.2.3"

_RESOLV_CONF = "/etc/resolv.conf"
_JAVA_STORES = ("/etc/ssl/certs/java/cacerts", "/etc/pki/java/cacerts")
_JAVA_STORE_PLACES = ("lib/security/cacerts", "jre/lib/security/cacerts")

_IS_PYTHON = re.compile(r"(?:^|/)python[\d.]*$")
_MAX_FIRST_LINE = 4096
_WHERE_IS_CERTIFI = (
    "import importlib.util as u; s = u.find_spec('certifi'); print(s.origin if s else '')"
)
_ASK_SECONDS = 5.0


class ReplacedFiles:
    """The files with CAs that this machine's programs and the app's own Python and Java read."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Finds the files, which takes a moment: it asks the Pythons where their certifi is."""
        self._bundles = _existing([*SYSTEM_BUNDLES, *_certifi_bundles(command, environ)])
        self._java = _existing([*_JAVA_STORES, *_java_stores(environ)])

    def replaced(
        self, folder: Path, ca: CertificateAuthority, files: TrustFiles
    ) -> list[tuple[str, str]]:
        """Writes the replacements to `folder`. Returns pairs: a file, and the path it replaces.

        Each list has what was there, and the interceptor's CA. Raises CaError if writing fails.
        """
        pairs = [(str(files.java), store) for store in self._java]
        try:
            pairs.append((str(_resolv_conf(folder)), os.path.realpath(_RESOLV_CONF)))
            for number, bundle in enumerate(self._bundles):
                with_ours = folder / f"bundle-{number}.pem"
                theirs = Path(bundle).read_bytes().rstrip()
                with_ours.write_bytes(theirs + b"\n" + ca.path.read_bytes())
                pairs.append((str(with_ours), bundle))
        except OSError as error:
            raise CaError(f"The CAs for the jail cannot be written: {error}.") from None
        return pairs


def _existing(paths: Iterable[str]) -> list[str]:
    """The real paths of the files that exist, each once."""
    real = {os.path.realpath(path) for path in paths}
    return sorted(path for path in real if Path(path).is_file())


def _resolv_conf(folder: Path) -> Path:
    """Writes a resolv.conf for the jail: the host's may name a resolver on the host's loopback."""
    lines: list[str] = []
    with suppress(OSError):
        lines = Path(_RESOLV_CONF).read_text("utf-8", "replace").splitlines()
    kept = [line for line in lines if not re.match(r"\s*nameserver\b", line)]
    replaced = folder / "resolv.conf"
    replaced.write_text("\n".join([f"nameserver {RESOLVER}", *kept]) + "\n", "utf-8")
    return replaced


def _java_stores(environ: Mapping[str, str]) -> list[str]:
    """The lists of CAs of the Java that `java` starts, and of JAVA_HOME's."""
    homes = [Path(home)] if (home := environ.get("JAVA_HOME")) else []
    if java := shutil.which("java", path=environ.get("PATH")):
        homes.append(Path(java).resolve().parents[1])
    return [str(home / place) for home in homes for place in _JAVA_STORE_PLACES]


def _certifi_bundles(command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """certifi's lists of CAs, of the Python that the command runs and of those on the PATH."""
    path = environ.get("PATH")
    found = [shutil.which(name, path=path) for name in ("python3", "python")]
    if program := shutil.which(command[0], path=path):
        found.append(program if _IS_PYTHON.search(program) else _interpreter(program))
    asked = [
        subprocess.Popen(
            [python, "-c", _WHERE_IS_CERTIFI],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for python in dict.fromkeys(filter(None, found))
    ]
    return [bundle for process in asked if (bundle := _bundle_beside(process))]


def _bundle_beside(process: "subprocess.Popen[str]") -> str | None:
    try:
        module, _ = process.communicate(timeout=_ASK_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    return str(Path(module.strip()).with_name("cacert.pem")) if module.strip() else None


def _interpreter(program: str) -> str | None:
    """The Python that a script names in its first line, or None."""
    try:
        with Path(program).open("rb") as file:
            line = file.readline(_MAX_FIRST_LINE)
    except OSError:
        return None
    words = line[2:].decode("utf-8", "replace").split() if line.startswith(b"#!") else []
    return words[0] if words and _IS_PYTHON.search(words[0]) else None
