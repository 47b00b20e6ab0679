"""The CA in mitmproxy's folder: read, made, and refused."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from vast_intercept.certificates.own_ca import (
    CaError,
    CertificateAuthority,
    ca_in,
    make_ca_in,
    read_ca,
)

FILE = "mitmproxy-ca-cert.pem"
DAY = timedelta(days=1)


def certificate(starts: timedelta, ends: timedelta, *, is_ca: bool | None = True) -> bytes:
    """A certificate whose validity is told from now. With None it does not say what it is for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mitmproxy")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
    )
    if is_ca is not None:
        constraints = x509.BasicConstraints(ca=is_ca, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def written(folder: Path, content: bytes) -> CertificateAuthority:
    """A CA's file with this content, read."""
    (folder / FILE).write_bytes(content)
    return read_ca(folder / FILE)


def openssl(path: Path, *what: str) -> str:
    """What OpenSSL says of a certificate."""
    command = ["openssl", "x509", "-in", str(path), "-noout", *what]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


class TestValidity:
    @pytest.mark.parametrize(
        ("starts", "ends"),
        [(-DAY, DAY), (timedelta(seconds=-2), timedelta(minutes=1)), (-3650 * DAY, 3650 * DAY)],
        ids=["days", "moments", "years"],
    )
    def test_now(self, starts: timedelta, ends: timedelta, tmp_path: Path) -> None:
        written(tmp_path, certificate(starts, ends)).check_validity()

    @pytest.mark.parametrize(
        "ended", [timedelta(seconds=2), DAY, 3650 * DAY], ids=["moments", "day", "years"]
    )
    def test_no_longer(self, ended: timedelta, tmp_path: Path) -> None:
        ca = written(tmp_path, certificate(-ended - DAY, -ended))
        with pytest.raises(CaError) as error:
            ca.check_validity()
        assert f"The CA {ca.path} has expired on {ca.expires:%Y-%m-%d}." in str(error.value)
        assert f"Delete {tmp_path}/mitmproxy-ca*, and start again" in str(error.value)

    def test_not_yet(self, tmp_path: Path) -> None:
        ca = written(tmp_path, certificate(DAY, 2 * DAY))
        with pytest.raises(CaError) as error:
            ca.check_validity()
        starts = ca.certificate.not_valid_before_utc
        assert f"is valid only from {starts:%Y-%m-%d %H:%M} UTC" in str(error.value)
        assert "is this machine's clock right?" in str(error.value)


class TestReading:
    def test_is_what_openssl_reads(self, tmp_path: Path) -> None:
        ca = written(tmp_path, certificate(-DAY, 400 * DAY))
        fingerprint = openssl(ca.path, "-fingerprint", "-sha256").strip()
        assert fingerprint.rpartition("=")[2] == ca.fingerprint
        ends = openssl(ca.path, "-enddate").strip().removeprefix("notAfter=")
        told = datetime.strptime(ends, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
        assert told == ca.expires

    def test_others_behind_it_do_not_matter(self, tmp_path: Path) -> None:
        first, second = (certificate(-DAY, DAY) for _ in range(2))
        alone = written(tmp_path, first).fingerprint
        assert written(tmp_path, first + second).fingerprint == alone

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\xff\x00" * 32,
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            b"-----BEGIN CERTIFICATE-----\n",
            certificate(-DAY, DAY)[:300],
            certificate(-DAY, DAY, is_ca=False),
            certificate(-DAY, DAY, is_ca=None),
        ],
        ids=["empty", "binary", "garbage", "begun", "cut off", "a server's", "nothing's"],
    )
    def test_what_is_no_ca(self, content: bytes, tmp_path: Path) -> None:
        with pytest.raises(CaError) as error:
            written(tmp_path, content)
        assert f"{tmp_path / FILE} is not the certificate of a CA" in str(error.value)
        assert f"Delete {tmp_path}/mitmproxy-ca*" in str(error.value)

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(CaError, match="cannot be read: No such file"):
            read_ca(tmp_path / FILE)
        with pytest.raises(CaError) as error:
            ca_in(tmp_path)
        assert f"There is no CA at {tmp_path / FILE} yet" in str(error.value)
        assert "`vast-intercept serve`" in str(error.value)
        assert list(tmp_path.iterdir()) == []


class TestMaking:
    def test_is_as_mitmproxy_has_it(self, tmp_path: Path) -> None:
        folder = tmp_path / "new" / "folder"
        made = make_ca_in(folder)
        made.check_validity()
        assert made.path == folder / FILE
        assert {path.name for path in folder.iterdir()} >= {FILE, "mitmproxy-ca.pem"}
        # The private key is the user's alone.
        assert (folder / "mitmproxy-ca.pem").stat().st_mode & 0o077 == 0

    def test_one_that_is_there_stays(self, tmp_path: Path) -> None:
        content = certificate(-DAY, DAY)
        (tmp_path / FILE).write_bytes(content)
        assert make_ca_in(tmp_path).certificate == ca_in(tmp_path).certificate
        assert (tmp_path / FILE).read_bytes() == content
        assert [path.name for path in tmp_path.iterdir()] == [FILE]

    def test_the_home_folder_is_found(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / FILE).write_bytes(certificate(-DAY, DAY))
        assert make_ca_in(Path("~")).path == tmp_path / FILE

    def test_a_path_is_told_from_the_root(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Since it is to be copied into commands that run elsewhere."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / FILE).write_bytes(certificate(-DAY, DAY))
        assert make_ca_in(Path()).path == tmp_path / FILE

    @pytest.mark.parametrize(
        "place",
        ["/proc/nowhere", "file", "file/below", "x" * 300],
        ids=["no folder's", "file", "below file", "long name"],
    )
    def test_a_folder_that_cannot_be_had(self, place: str, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        folder = tmp_path / place
        with pytest.raises(CaError) as error:
            make_ca_in(folder)
        assert f"The CA cannot be written to {folder}: " in str(error.value)
        assert "--confdir" in str(error.value)

    @pytest.mark.parametrize(
        "key", [None, b"", b"garbage"], ids=["key", "empty key", "garbage for a key"]
    )
    def test_a_key_without_its_certificate(self, key: bytes | None, tmp_path: Path) -> None:
        make_ca_in(tmp_path)
        (tmp_path / FILE).unlink()
        if key is not None:
            (tmp_path / "mitmproxy-ca.pem").write_bytes(key)
        with pytest.raises(CaError) as error:
            make_ca_in(tmp_path)
        assert f"not its certificate {FILE}" in str(error.value)
        assert f"Delete {tmp_path}/mitmproxy-ca*" in str(error.value)
        for path in tmp_path.glob("mitmproxy-ca*"):
            path.unlink()
        make_ca_in(tmp_path).check_validity()

    def test_nobodys_home(self) -> None:
        with pytest.raises(
            CaError, match="~nobody-has-this-name/x is in the home folder of nobody"
        ):
            make_ca_in(Path("~nobody-has-this-name/x"))
