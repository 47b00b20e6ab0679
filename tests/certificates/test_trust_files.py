"""The files that apps trust, as they are written: what reads them is in launch/test_trust.py."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from vast_intercept.certificates.own_ca import CaError, CertificateAuthority, read_ca
from vast_intercept.certificates.trust_files import TrustFiles, write_trust_files


def new_ca(path: Path) -> CertificateAuthority:
    """A CA like mitmproxy's."""
    trustme.CA().cert_pem.write_to_path(str(path))
    return read_ca(path)


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return new_ca(tmp_path / "mitmproxy-ca-cert.pem")


@pytest.fixture
def other(tmp_path: Path) -> CertificateAuthority:
    return new_ca(tmp_path / "other.pem")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are to be, which is not there yet."""
    return tmp_path / "some where" / "vast-intercept"


@pytest.fixture
def umask() -> Iterator[None]:
    """That of a careful user."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def write(folder: Path, ca: CertificateAuthority, **environ: str) -> TrustFiles:
    """Writes them, with the home folder beside."""
    return write_trust_files(folder, ca, {"HOME": str(folder.parent), **environ})


@pytest.mark.usefixtures("umask")
def test_apps_of_other_users_can_read_them(ca: CertificateAuthority, folder: Path) -> None:
    files = write(folder, ca)
    for path in (files.bundle, files.java, files.wgetrc, files.php / "vast-intercept.ini"):
        assert path.stat().st_mode & 0o777 == 0o644


def test_what_is_as_it_should_be_is_left_alone(
    ca: CertificateAuthority, other: CertificateAuthority, folder: Path
) -> None:
    files = write(folder, ca)
    paths = sorted(folder.rglob("*"))
    for path in paths:
        os.utime(path, (1, 1))
    write(folder, ca)
    assert sorted(folder.rglob("*")) == paths
    assert {path.stat().st_mtime for path in paths} == {1}
    write(folder, other)
    assert {path for path in paths if path.stat().st_mtime != 1} == {
        *(files.bundle, files.bundle_for("NODE_EXTRA_CA_CERTS"), files.java),
    }


@pytest.mark.parametrize("name", ["bundle", "java"])
def test_what_was_deleted_or_damaged_comes_back(
    name: str, ca: CertificateAuthority, folder: Path
) -> None:
    path: Path = getattr(write(folder, ca), name)
    before = path.read_bytes()
    path.unlink()
    write(folder, ca)
    assert path.read_bytes() == before
    path.write_bytes(before[:-1])
    write(folder, ca)
    assert path.read_bytes() == before


def test_nobody_sees_half_a_file(
    ca: CertificateAuthority, other: CertificateAuthority, folder: Path
) -> None:
    bundle = write(folder, ca).bundle
    whole = bundle.read_bytes()
    with bundle.open("rb") as opened:
        changed = write(folder, other).bundle.read_bytes()
        assert opened.read() == whole != changed
    seen: set[bytes] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.add(bundle.read_bytes())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for each in (ca, other) * 2:
            write(folder, each)
    finally:
        done.set()
        looking.join()
    assert seen
    assert seen <= {whole, changed}
    assert sorted(path.name for path in folder.iterdir()) == [
        *("ca-added.pem", "ca-bundle.pem", "php", "truststore.p12", "wgetrc"),
    ]


@pytest.mark.parametrize(
    "place",
    ["/proc/vast-intercept", "file/vast-intercept", "file"],
    ids=["no folder's", "below file", "file"],
)
def test_a_folder_that_cannot_be_had(place: str, ca: CertificateAuthority, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / place
    with pytest.raises(CaError) as error:
        write(folder, ca)
    assert f"The CAs for apps cannot be written to {folder}: " in str(error.value)


def test_a_folder_in_place_of_a_file(ca: CertificateAuthority, folder: Path) -> None:
    (folder / "ca-bundle.pem").mkdir(parents=True)
    with pytest.raises(CaError, match="Is a directory"):
        write(folder, ca)


class TestWget:
    def test_has_the_cas(self, ca: CertificateAuthority, folder: Path) -> None:
        files = write(folder, ca)
        assert files.wgetrc.read_text() == f"ca_certificate = {files.bundle}\n"

    @pytest.mark.parametrize("variable", ["WGETRC", "HOME"])
    def test_keeps_the_users_own_settings_to_the_user(
        self, variable: str, ca: CertificateAuthority, folder: Path, tmp_path: Path
    ) -> None:
        """Also what is not in UTF-8, as an old file's comments."""
        own = tmp_path / ".wgetrc"
        own.write_bytes(b"# gr\xfc\xdfe\nhttp_password = secret\n\n")
        value = own if variable == "WGETRC" else tmp_path
        files = write(folder, ca, **{variable: str(value)})
        expected = b"# gr\xfc\xdfe\nhttp_password = secret\nca_certificate = %s\n"
        assert files.wgetrc.read_bytes() == expected % os.fsencode(files.bundle)
        assert files.wgetrc.stat().st_mode & 0o777 == 0o600

    def test_reads_them_from_home_where_ours_are_named_already(
        self, ca: CertificateAuthority, folder: Path, tmp_path: Path
    ) -> None:
        (tmp_path / ".wgetrc").write_text("http_password = secret")
        first = write(folder, ca, HOME=str(tmp_path)).wgetrc.read_text()
        named = str(folder / "wgetrc")
        assert write(folder, ca, HOME=str(tmp_path), WGETRC=named).wgetrc.read_text() == first
        assert first.count("secret") == first.count("ca_certificate") == 1
