"""What the tests of the wrapper share."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from .. import harness
from ..harness import StandIn


@pytest.fixture(scope="session")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitmproxy's folder: making a CA takes a while, and one will do."""
    return tmp_path_factory.mktemp("launch")


@pytest.fixture
def options(
    confdir: Path, standin: StandIn, certs: tuple[Path, Path, Path], tmp_path: Path
) -> list[str]:
    """Options of `run` for an interceptor whose Vast is the stand-in."""
    config = harness.write_config(
        tmp_path / "vast.yaml", vast=harness.vast_section(standin, certs[0])
    )
    return ["--config", str(config), "--set", f"confdir={confdir}"]


@pytest.fixture(scope="session")
def expired_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of mitmproxy's with a CA that was valid until yesterday."""
    folder = tmp_path_factory.mktemp("expired")
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mitmproxy")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now - timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "mitmproxy-ca-cert.pem").write_bytes(pem)
    (folder / "mitmproxy-ca.pem").write_bytes(private + pem)
    return folder
