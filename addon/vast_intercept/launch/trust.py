"""Files that make runtimes trust the interceptor's CA, beside all that they trusted before."""

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

from .ca import CaError, CertificateAuthority

#: Where systems keep the public CAs: Debian, Arch and Alpine; Fedora; openSUSE; macOS and BSDs.
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_PUBLIC = 0o644
_PRIVATE = 0o600  # a user's wgetrc may hold passwords

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """Each holds the public CAs and the interceptor's, in the form that some runtimes want."""

    #: PEM: for nearly all.
    bundle: Path
    #: PKCS#12 without a password: Java asks for none of its own store, which it may stand in for.
    java: Path
    #: wget's configuration, since the one built with GnuTLS reads no variable with a bundle.
    wgetrc: Path
    #: A folder with a php.ini, since PHP's curl reads no such variable either.
    php: Path


def files_in(folder: Path) -> TrustFiles:
    """Where they are in a folder."""
    return TrustFiles(
        folder / "ca-bundle.pem", folder / "truststore.p12", folder / "wgetrc", folder / "php"
    )


def write_trust_files(
    folder: Path, ca: CertificateAuthority, environ: Mapping[str, str], named_by: Iterable[str]
) -> TrustFiles:
    """Writes them into the folder, which is made. Raises CaError if that cannot be done.

    All but Node's variables replace what a runtime trusts (FACTS C2), and hosts that are no
    providers show their own certificates: so the bundle has the machine's public CAs, certifi's,
    and those of the files that the variables `named_by` name already, such as a company's.
    """
    files = files_in(folder)
    named = [environ[name] for name in named_by if environ.get(name)]
    certificates = _certificates([*SYSTEM_BUNDLES, *named, certifi.where(), str(ca.path)])
    bundle = "\n".join(certificates) + "\n"
    php = f'curl.cainfo = "{files.bundle}"\nopenssl.cafile = "{files.bundle}"\n'
    try:
        files.php.mkdir(parents=True, exist_ok=True)
        _write(files.wgetrc, *_wgetrc(files, environ))
        _write(files.php / "vast-intercept.ini", php)
        if _write(files.bundle, bundle) or not files.java.exists():
            _replace(files.java, _java_trust_store(certificates))
    except OSError as error:
        raise CaError(
            f"The CAs for apps cannot be written to {folder}: {error.strerror}."
        ) from None
    return files


def _write(path: Path, text: str, mode: int = _PUBLIC) -> bool:
    """Whether the file had to be written: it is left alone if it is as it should be."""
    content = text.encode("utf-8", "surrogateescape")
    if path.is_file() and path.read_bytes() == content:
        return False
    _replace(path, content, mode)
    return True


def _replace(path: Path, content: bytes, mode: int = _PUBLIC) -> None:
    """At once: apps may be reading the file."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    unfinished.touch(_PRIVATE)
    unfinished.write_bytes(content)
    unfinished.chmod(mode)
    unfinished.replace(path)


def _certificates(paths: Iterable[str]) -> list[str]:
    """The certificates of all of the files that can be read, each once, in PEM."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            text = Path(path).read_text("utf-8", "replace")
        except OSError:
            continue  # one system has this file, another that
        for match in _CERTIFICATE.finditer(text):
            found.setdefault("".join(match[0].split()), match[0])
    return list(found.values())


def _wgetrc(files: TrustFiles, environ: Mapping[str, str]) -> tuple[str, int]:
    """The user's own settings and the CAs, and who may read that."""
    named = environ.get("WGETRC")
    if not named or named == str(files.wgetrc):
        named = f"{environ.get('HOME', '')}/.wgetrc"
    try:
        own = Path(named).read_text("utf-8", "surrogateescape").rstrip("\n") + "\n"
    except OSError:
        own = ""
    return f"{own}ca_certificate = {files.bundle}\n", _PRIVATE if own else _PUBLIC


def _java_trust_store(certificates: Iterable[str]) -> bytes:
    entries = []
    for number, certificate in enumerate(certificates):
        try:
            with warnings.catch_warnings(action="ignore"):
                loaded = x509.load_pem_x509_certificate(certificate.encode())
        except ValueError:
            continue  # some public CAs' certificates are too odd for cryptography
        entries.append(pkcs12.PKCS12Certificate(loaded, b"%d" % number))
    return pkcs12.serialize_java_truststore(entries, NoEncryption())
