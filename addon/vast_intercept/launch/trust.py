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
    #: PKCS#12, read with any password or none: so is Java's own store, which it may stand in for.
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
        _write(files.bundle, bundle)
        _write_bytes(files.java, _java_trust_store(certificates))
    except OSError as error:
        raise CaError(
            f"The CAs for apps cannot be written to {folder}: {error.strerror}."
        ) from None
    return files


def _write(path: Path, text: str, mode: int = _PUBLIC) -> None:
    _write_bytes(path, text.encode("utf-8", "surrogateescape"), mode)


def _write_bytes(path: Path, content: bytes, mode: int = _PUBLIC) -> None:
    """At once, since apps may be reading the file, and not at all if it is as it should be."""
    if path.is_file() and path.read_bytes() == content:
        return
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
    return _without_mac(pkcs12.serialize_java_truststore(entries, NoEncryption()))


def _without_mac(store: bytes) -> bytes:
    """The store without its checksum: who names any password but that of the checksum is refused.

    Java's own store has none since JDK 18, but many still name its old password, `changeit`
    (FACTS C7).
    """
    # PFX ::= SEQUENCE { version, authSafe, macData OPTIONAL } (RFC 7292, section 4)
    version, _ = _der_content(store, 0)
    _, auth_safe = _der_content(store, version)
    _, mac_data = _der_content(store, auth_safe)
    kept = store[version:mac_data]
    length = len(kept).to_bytes((len(kept).bit_length() + 7) // 8)
    return bytes([store[0], 0x80 | len(length)]) + length + kept


def _der_content(der: bytes, start: int) -> tuple[int, int]:
    """Where the content of the element at `start` begins, and where it ends."""
    length, begin = der[start + 1], start + 2
    if length & 0x80:  # that many bytes hold the length
        after = begin + (length & 0x7F)
        length, begin = int.from_bytes(der[begin:after]), after
    return begin, begin + length
