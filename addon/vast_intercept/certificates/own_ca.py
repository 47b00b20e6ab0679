"""The CA that mitmproxy makes for this machine, which apps must trust."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

#: mitmproxy's names: https://docs.mitmproxy.org/stable/concepts/certificates/
DEFAULT_CONFDIR = "~/.mitmproxy"
_CA_CERT = "mitmproxy-ca-cert.pem"


class CaError(Exception):
    """The CA cannot be used. The message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class CertificateAuthority:
    """The certificate of a CA, and its file."""

    path: Path
    certificate: x509.Certificate

    @cached_property
    def fingerprint(self) -> str:
        """The certificate's SHA-256, as OpenSSL and browsers show it: `AB:CD:...`."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def expires(self) -> datetime:
        """The end of the certificate's validity."""
        return self.certificate.not_valid_after_utc

    def check_validity(self) -> None:
        """Raises CaError unless the certificate is valid now."""
        now = datetime.now(UTC)
        if now > self.expires:
            raise CaError(
                f"The CA {self.path} has expired on {self.expires:%Y-%m-%d}. Delete"
                f" {self.path.parent}/mitmproxy-ca*, and start again: a new one is made, which"
                " apps must be told to trust anew."
            )
        if now < self.certificate.not_valid_before_utc:
            raise CaError(
                f"The CA {self.path} is valid only from"
                f" {self.certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: is this machine's"
                " clock right?"
            )


def ca_in(confdir: Path) -> CertificateAuthority:
    """Reads the CA in mitmproxy's folder. Raises CaError if there is none."""
    path = ca_path(confdir)
    if not _is_there(path):
        raise CaError(
            f"There is no CA at {path} yet. It is made when an interceptor starts for the first"
            " time: `vast-intercept serve`."
        )
    return read_ca(path)


def make_ca_in(confdir: Path) -> CertificateAuthority:
    """Reads the CA in mitmproxy's folder, and makes it first if there is none.

    Raises CaError if that cannot be done.
    """
    from mitmproxy import certs, options  # noqa: PLC0415  (takes its time, and is rarely needed)

    path = ca_path(confdir)
    if not _is_there(path):
        try:
            certs.CertStore.from_store(path.parent, "mitmproxy", options.KEY_SIZE)
        except OSError as error:
            raise cannot_write(path.parent, error) from None
        except ValueError:
            pass  # there is a private key already, or what should be one: no CA was made
        if not _is_there(path):
            raise CaError(
                f"{path.parent} has a file of a CA, but not its certificate {path.name}. Delete"
                f" {path.parent}/mitmproxy-ca*, and start again: a new one is made."
            )
    return read_ca(path)


def cannot_write(confdir: Path, error: OSError) -> CaError:
    """The error for a folder in which the CA cannot be made."""
    return CaError(
        f"The CA cannot be written to {confdir}: {error.strerror}. Name another folder with"
        " --set confdir=PATH (--confdir for `vast-intercept ca`), or make this one writable."
    )


def ca_path(confdir: Path) -> Path:
    """The file of the CA's certificate in mitmproxy's folder. Raises CaError for no folder."""
    try:
        return confdir.expanduser().absolute() / _CA_CERT
    except RuntimeError:
        raise CaError(f"{confdir} is in the home folder of nobody. Name another folder.") from None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise cannot_write(path.parent, error) from None


def read_ca(path: Path) -> CertificateAuthority:
    """Reads a CA's certificate. Raises CaError if the file has none that can be read."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except OSError as error:
        raise CaError(f"The CA {path} cannot be read: {error.strerror}.") from None
    except (ValueError, x509.ExtensionNotFound):
        constraints = None
    if constraints is None or not constraints.value.ca:
        raise CaError(
            f"{path} is not the certificate of a CA. Delete {path.parent}/mitmproxy-ca*, and"
            " start again: a new one is made."
        )
    return CertificateAuthority(path, certificate)
