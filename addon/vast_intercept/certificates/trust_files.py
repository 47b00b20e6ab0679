"""Files with which runtimes trust the interceptor's CA beside all CAs that they trusted before."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

from .own_ca import CaError, CertificateAuthority
from .public_cas import certificates, parsed, system_cas

_PUBLIC = 0o644
_PRIVATE = 0o600  # a user's wgetrc may hold passwords


#: Environment variables that name a file with the CAs to trust, and who reads each (FACTS C2).
CA_VARIABLES = {
    "SSL_CERT_FILE": "OpenSSL's own default, so Ruby, Perl, PHP's streams, .NET; Go; httpx, uv",
    "REQUESTS_CA_BUNDLE": "requests",
    "CURL_CA_BUNDLE": "curl",
    "NODE_EXTRA_CA_CERTS": "Node.js",
    "GIT_SSL_CAINFO": "git",
    "AWS_CA_BUNDLE": "the AWS SDKs and their command line",
    "DENO_CERT": "Deno",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "gRPC",
    "PIP_CERT": "pip",
    "CARGO_HTTP_CAINFO": "Cargo",
    "HTTPLIB2_CA_CERTS": "httplib2",
    "NIX_SSL_CERT_FILE": "what comes from nixpkgs",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": "gcloud",
    "NPM_CONFIG_CAFILE": "npm",
    "PERL_LWP_SSL_CA_FILE": "Perl's LWP",
}

#: Node trusts what this one names beside its own CAs; the others replace CAs (FACTS C2).
ADDING_VARIABLE = "NODE_EXTRA_CA_CERTS"


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """Each holds the CAs that some runtimes would trust, and the interceptor's, in their form."""

    #: PEM, with the system's CAs.
    bundle: Path
    #: PKCS#12, read with any password or none: so is Java's own store, which it may stand in for.
    java: Path
    #: wget's configuration, since the one built with GnuTLS reads no variable with a bundle.
    wgetrc: Path
    #: A folder with a php.ini, since PHP's curl reads no such variable either.
    php: Path
    #: PEM, by variable: for those that named a file of their own, or add to what is trusted.
    others: Mapping[str, Path] = field(default_factory=dict)

    def bundle_for(self, variable: str) -> Path:
        """The file that an environment variable is to name."""
        return self.others.get(variable, self.bundle)


def files_in(folder: Path) -> TrustFiles:
    """The files' places in a folder, for an app whose variables name no file of its own."""
    return TrustFiles(
        folder / "ca-bundle.pem",
        folder / "truststore.p12",
        folder / "wgetrc",
        folder / "php",
        {ADDING_VARIABLE: folder / "ca-added.pem"},
    )


def write_trust_files(
    folder: Path, ca: CertificateAuthority, environ: Mapping[str, str]
) -> TrustFiles:
    """Writes the files into a folder, which it makes. Raises CaError if that cannot be done.

    Hosts that are no providers show their own certificates, so a runtime must trust the CAs that it
    would trust without us. These are the CAs in the file, such as a company's, that one of
    CA_VARIABLES names already; else the system's.
    """
    files = files_in(folder)
    ours = certificates([str(ca.path)])
    trusted = {files.bundle: system_cas() + ours, files.others[ADDING_VARIABLE]: ours}
    others = dict(files.others)
    for name in CA_VARIABLES:
        named = environ.get(name, "")
        if Path(named).absolute() in {path.absolute() for path in trusted}:
            continue  # made here before, or just now
        if found := certificates([named]) if named else []:
            others[name] = _bundle_of(named, folder)
            trusted[others[name]] = found + ours
    files = replace(files, others=others)
    # What names none of its own goes by OpenSSL's variable.
    usual = files.bundle_for("SSL_CERT_FILE")
    php = f'curl.cainfo = "{usual}"\nopenssl.cafile = "{usual}"\n'
    try:
        files.php.mkdir(parents=True, exist_ok=True)
        _write(files.wgetrc, *_wgetrc(files, usual, environ))
        _write(files.php / "vast-intercept.ini", php)
        for path, bundle in trusted.items():
            _write(path, "\n".join(dict.fromkeys(bundle)) + "\n")
        _write(files.java, _java_trust_store(dict.fromkeys(trusted[usual])))
    except OSError as error:
        raise CaError(
            f"The CAs for apps cannot be written to {folder}: {error.strerror}."
        ) from None
    return files


def _bundle_of(named: str, folder: Path) -> Path:
    """The place of a copy, with our CA in it, of a file that a variable names."""
    path = Path(named).absolute()
    if path.parent == folder.absolute():
        return path  # it is one of ours
    return folder / f"ca-bundle-{hashlib.sha256(str(path).encode()).hexdigest()[:12]}.pem"


def _write(path: Path, content: str | bytes, mode: int = _PUBLIC) -> None:
    """Replaces a file at once, since apps may be reading it; not at all if nothing changes."""
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogateescape")
    if path.is_file() and path.read_bytes() == content:
        return
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    unfinished.touch(_PRIVATE)
    unfinished.write_bytes(content)
    unfinished.chmod(mode)
    unfinished.replace(path)


def _wgetrc(files: TrustFiles, bundle: Path, environ: Mapping[str, str]) -> tuple[str, int]:
    """wget's configuration: the user's own with our bundle in it, and the file's mode."""
    named = environ.get("WGETRC")
    if not named or named == str(files.wgetrc):
        named = f"{environ.get('HOME', '')}/.wgetrc"
    try:
        own = Path(named).read_text("utf-8", "surrogateescape").rstrip("\n") + "\n"
    except OSError:
        own = ""
    return f"{own}ca_certificate = {bundle}\n", _PRIVATE if own else _PUBLIC


def _java_trust_store(trusted: Iterable[str]) -> bytes:
    entries = []
    for number, certificate in enumerate(trusted):
        try:
            loaded = parsed(certificate)
        except ValueError:
            continue  # some public CAs' certificates are too odd for cryptography
        entries.append(pkcs12.PKCS12Certificate(loaded, b"%d" % number))
    return _without_mac(pkcs12.serialize_java_truststore(entries, NoEncryption()))


def _without_mac(store: bytes) -> bytes:
    """The store without its checksum, with which Java would refuse every other password.

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
    """The start and the end of the content of the DER element at `start`."""
    length, begin = der[start + 1], start + 2
    if length & 0x80:  # that many bytes hold the length
        after = begin + (length & 0x7F)
        length, begin = int.from_bytes(der[begin:after]), after
    return begin, begin + length
