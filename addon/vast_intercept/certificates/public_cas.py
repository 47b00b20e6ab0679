"""The public CAs of one store, without those that are known to be compromised."""

import hashlib
import os
import re
import ssl
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

import certifi
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

#: Where systems keep the public CAs: Debian, Arch and Alpine; Fedora; openSUSE; macOS and BSDs.
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s.+?-----END CERTIFICATE-----", re.DOTALL)
_DATA = "compromised_cas.yaml"


def public_cas(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The certificates, in PEM, of the store that curl and pip would use.

    That is the file that SSL_CERT_FILE names, else the system's store, else certifi's.
    """
    named = environ.get("SSL_CERT_FILE")
    return (certificates([named]) if named else []) or system_cas()


def system_cas() -> list[str]:
    """The certificates of the system's store, in PEM; of certifi's where there is none."""
    built_in = ssl.get_default_verify_paths().openssl_cafile
    stores = (certificates([path]) for path in (built_in, *SYSTEM_BUNDLES, certifi.where()))
    return next(filter(None, stores), [])


def certificates(paths: Iterable[str]) -> list[str]:
    """The certificates, in PEM, of those files that can be read, each once.

    Certificates of authorities that are known to be compromised are left out.
    """
    found: dict[str, str] = {}
    for path in paths:
        try:
            text = Path(path).read_text("utf-8", "replace")
        except OSError:
            continue  # one system has this file, another that
        for match in _CERTIFICATE.finditer(text):
            found.setdefault("".join(match[0].split()), match[0])
    return [certificate for certificate in found.values() if not is_compromised(certificate)]


@cache
def compromised() -> dict[str, str]:
    """The authorities that are known to be compromised: name by the SHA-256 of the public key."""
    text = resources.files(__package__).joinpath(_DATA).read_text("utf-8")
    return {each["spki_sha256"]: each["name"] for each in yaml.safe_load(text)}


def parsed(certificate: str) -> x509.Certificate:
    """A certificate in PEM, as a value. Raises ValueError for one that cryptography cannot read."""
    with warnings.catch_warnings(action="ignore"):  # public CAs' certificates may be odd
        return x509.load_pem_x509_certificate(certificate.encode())


def is_compromised(certificate: str) -> bool:
    """Whether a certificate, in PEM, is for the key of a compromised authority."""
    try:
        key = parsed(certificate).public_key()
    except Exception:  # noqa: BLE001  (some public CAs' certificates are too odd for cryptography)
        return False
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest() in compromised()
