"""The files that make runtimes trust the interceptor's CA, beside all that they trusted before."""

import ssl
import subprocess
from pathlib import Path

import certifi
import pytest
import trustme

from vast_intercept.launch.ca import CaError, CertificateAuthority, read_ca
from vast_intercept.launch.trust import TrustFiles, write_trust_files


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    """A CA like mitmproxy's."""
    path = tmp_path / "mitmproxy-ca-cert.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return read_ca(path)


def write(folder: Path, ca: CertificateAuthority, **environ: str) -> TrustFiles:
    """Writes them, with the home folder beside."""
    environ = {"HOME": str(folder.parent), **environ}
    return write_trust_files(folder, ca, environ, ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])


def subjects(bundle: Path) -> list[object]:
    """The CAs of a bundle."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    return [(each["subject"], each["serialNumber"]) for each in context.get_ca_certs()]


def test_the_bundle_has_all_of_them_once(ca: CertificateAuthority, tmp_path: Path) -> None:
    company = tmp_path / "company.pem"
    trustme.CA(organization_name="Company").cert_pem.write_to_path(str(company))
    files = write(tmp_path / "out", ca, REQUESTS_CA_BUNDLE=str(company), SSL_CERT_FILE=str(company))
    found = subjects(files.bundle)
    for source in (ca.path, company, Path(certifi.where())):
        for subject in subjects(source):
            assert found.count(subject) == 1


def test_java_finds_ours_and_the_public_ones(ca: CertificateAuthority, tmp_path: Path) -> None:
    files = write(tmp_path / "out", ca)
    listed = subprocess.run(
        ["keytool", "-list", "-keystore", str(files.java)],
        input="\n",  # no password
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert ca.fingerprint in listed
    assert listed.count("trustedCertEntry") > 100


def test_what_is_as_it_should_be_is_left_alone(ca: CertificateAuthority, tmp_path: Path) -> None:
    files = write(tmp_path / "out", ca)
    paths = [files.bundle, files.java, files.wgetrc]
    before = [path.stat().st_ino for path in paths]
    write(tmp_path / "out", ca)
    assert [path.stat().st_ino for path in paths] == before
    trustme.CA().cert_pem.write_to_path(str(ca.path))
    write(tmp_path / "out", read_ca(ca.path))
    assert files.bundle.stat().st_ino != before[0]
    assert files.java.stat().st_ino != before[1]
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == [
        *("ca-bundle.pem", "php", "truststore.p12", "wgetrc"),
    ]


class TestWget:
    def test_has_the_cas(self, ca: CertificateAuthority, tmp_path: Path) -> None:
        files = write(tmp_path / "out", ca)
        assert files.wgetrc.read_text() == f"ca_certificate = {files.bundle}\n"
        assert files.wgetrc.stat().st_mode & 0o777 == 0o644

    def test_keeps_the_users_own_settings_to_the_user(
        self, ca: CertificateAuthority, tmp_path: Path
    ) -> None:
        (tmp_path / ".wgetrc").write_text("http_password = secret")
        for named in ({}, {"WGETRC": str(tmp_path / "out" / "wgetrc")}):  # the second time
            files = write(tmp_path / "out", ca, **named)
            text = files.wgetrc.read_text()
            assert text == f"http_password = secret\nca_certificate = {files.bundle}\n"
            assert files.wgetrc.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written(ca: CertificateAuthority, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CaError, match="cannot be written to"):
        write(tmp_path / "file" / "out", ca)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\x00" * 32])
def test_what_is_no_ca(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with pytest.raises(CaError, match="is not the certificate of a CA"):
        read_ca(path)
