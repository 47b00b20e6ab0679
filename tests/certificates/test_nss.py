"""`run --nss`: Chromium's CAs have the interceptor's while the app runs, and no longer."""

import subprocess
from pathlib import Path

import pytest

from vast_intercept.certificates.nss import trusted_in_nss
from vast_intercept.certificates.own_ca import CaError, make_ca_in

from .. import harness
from ..launch.wrapped import run


def listed(database: Path) -> str:
    """What the database holds, as NSS's own tool lists it."""
    command = ["certutil", "-L", "-d", f"sql:{database}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("there", "database"),
    [(".pki/nssdb", ".pki/nssdb"), (".", ".local/share/pki/nssdb")],
    ids=["old", "new"],
)
@pytest.mark.parametrize("way", [[], ["--jail"]], ids=["plain", "jail"])
def test_it_is_there_for_as_long_as_the_app(
    way: list[str], there: str, database: str, run_options: list[str], tmp_path: Path
) -> None:
    (tmp_path / there).mkdir(parents=True, exist_ok=True)
    environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY, HOME=str(tmp_path))
    command = ["certutil", "-L", "-d", f"sql:{tmp_path / database}"]
    _, output, errors = run(*command, options=[*way, "--nss", *run_options], environ=environ)
    assert "vast-intercept" in output, errors
    assert "C,," in output
    assert "vast-intercept" not in listed(tmp_path / database)


def test_what_was_there_stays(confdir: Path, tmp_path: Path) -> None:
    ca = make_ca_in(confdir)
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with trusted_in_nss(ca, environ):
        with trusted_in_nss(ca, environ):
            pass
        assert "vast-intercept" in listed(tmp_path / ".local/share/pki/nssdb")


def test_a_ca_that_was_left_is_replaced(confdir: Path, tmp_path: Path) -> None:
    """By one that was made anew."""
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with trusted_in_nss(make_ca_in(tmp_path), environ):
        ca = make_ca_in(confdir)
        with trusted_in_nss(ca, environ):
            database = f"sql:{tmp_path / '.local/share/pki/nssdb'}"
            command = ["certutil", "-L", "-d", database, "-n", "vast-intercept", "-a"]
            known = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert known.split() == ca.path.read_text().split()


def test_what_is_missing_is_told(confdir: Path, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path)}
    with (
        pytest.raises(CaError, match="apt-get install libnss3-tools"),
        trusted_in_nss(make_ca_in(confdir), environ),
    ):
        pass


def test_a_database_that_cannot_be_written_is_told(confdir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environ = {"HOME": str(tmp_path / "file"), "PATH": "/usr/bin:/bin"}
    with (
        pytest.raises(CaError, match="cannot be put into NSS's database"),
        trusted_in_nss(make_ca_in(confdir), environ),
    ):
        pass
