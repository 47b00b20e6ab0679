"""The system's own list of CAs, on systems of all families: their folders and commands are fakes.

What the real `update-ca-certificates` does is in test_ca_command.py.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from vast_intercept.certificates import system_store as system_trust
from vast_intercept.certificates.own_ca import CaError, CertificateAuthority, read_ca
from vast_intercept.certificates.system_store import SystemTrust

#: Family: command and arguments to add, and to take out; folder; ending of the file's name.
FAMILIES = {
    "Debian": (
        "update-ca-certificates",
        ("", "--fresh"),
        "usr/local/share/ca-certificates",
        ".crt",
    ),
    "openSUSE": ("update-ca-certificates", ("", ""), "etc/pki/trust/anchors", ".pem"),
    "Fedora": (
        "update-ca-trust",
        ("extract", "extract"),
        "etc/pki/ca-trust/source/anchors",
        ".pem",
    ),
    "Arch": (
        "update-ca-trust",
        ("extract", "extract"),
        "etc/ca-certificates/trust-source/anchors",
        ".pem",
    ),
}


class Machine:
    """A system's files, below a folder of the test's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tools = root / "tools"
        self.tools.mkdir(parents=True)
        (root / "usr/local/share").mkdir(parents=True)  # everybody has it

    @property
    def trust(self) -> SystemTrust:
        """What the program finds there."""
        return SystemTrust({"PATH": str(self.tools)})

    def add_command(self, name: str, then: str = "") -> None:
        """A command that notes its arguments."""
        path = self.tools / name
        path.write_text(f'#!/bin/sh\necho "$@" >>"{self.root}/calls"\n{then}\n')
        path.chmod(0o755)

    def be(self, family: str, then: str = "") -> None:
        """Makes it a system of the family."""
        command, _, folder, _ = FAMILIES[family]
        self.add_command(command, then)
        (self.root / folder).parent.mkdir(parents=True, exist_ok=True)

    @property
    def calls(self) -> list[str]:
        """Arguments of the commands that ran."""
        calls = self.root / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    root = tmp_path / "root"
    systems = [
        replace(each, folder=root / each.folder.relative_to("/")) for each in system_trust._SYSTEMS
    ]
    monkeypatch.setattr(system_trust, "_SYSTEMS", systems)
    monkeypatch.setattr(system_trust, "_SYSTEM_PATH", "/nonexistent")
    return Machine(root)


def new_ca(path: Path) -> CertificateAuthority:
    """A CA of its own, in a file that only its owner may read."""
    trustme.CA().cert_pem.write_to_path(str(path))
    path.chmod(0o600)
    return read_ca(path)


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return new_ca(tmp_path / "mitmproxy-ca-cert.pem")


@pytest.fixture
def umask() -> Iterator[None]:
    """That of a careful administrator."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def typed() -> Iterator[None]:
    """Something to read on the standard input, which pytest has at its end otherwise."""
    before = os.dup(0)
    read, write = os.pipe()
    os.write(write, b"yes\n")
    os.dup2(read, 0)
    yield
    os.dup2(before, 0)
    for each in (before, read, write):
        os.close(each)


@pytest.mark.parametrize("family", FAMILIES)
class TestFamilies:
    def test_adds_it_and_takes_it_out(
        self, family: str, machine: Machine, ca: CertificateAuthority
    ) -> None:
        machine.be(family)
        _, arguments, folder, ending = FAMILIES[family]
        file = machine.trust.install(ca)
        assert file.parent == machine.root / folder
        assert file.suffix == ending
        assert file.read_bytes() == ca.path.read_bytes()
        assert machine.calls == [arguments[0]]
        assert machine.trust.uninstall(ca) == file
        assert not file.exists()
        assert machine.calls == list(arguments)

    def test_twice_is_fine(self, family: str, machine: Machine, ca: CertificateAuthority) -> None:
        machine.be(family)
        assert machine.trust.install(ca) == machine.trust.install(ca)
        assert machine.trust.uninstall(ca)
        before = machine.calls
        assert machine.trust.uninstall(ca) is None
        assert machine.calls == before  # nothing was taken out

    @pytest.mark.usefixtures("umask")
    def test_all_users_can_read_it(
        self, family: str, machine: Machine, ca: CertificateAuthority
    ) -> None:
        machine.be(family)
        assert machine.trust.install(ca).stat().st_mode & 0o777 == 0o644

    def test_a_file_that_cannot_be_written(
        self, family: str, machine: Machine, ca: CertificateAuthority
    ) -> None:
        machine.be(family)
        (machine.root / FAMILIES[family][2]).write_text("no folder")
        for change in (machine.trust.install, machine.trust.uninstall):
            with pytest.raises(CaError) as error:
                change(ca)
            assert "cannot be changed" in str(error.value)
            assert "sudo --preserve-env=HOME vast-intercept ca" in str(error.value)
        assert machine.calls == []


class TestOthers:
    def test_the_ca_of_another_folder_stays(
        self, machine: Machine, ca: CertificateAuthority, tmp_path: Path
    ) -> None:
        machine.be("Debian")
        other = new_ca(tmp_path / "other.pem")
        files = {machine.trust.install(each) for each in (ca, other)}
        assert len(files) == 2
        removed = machine.trust.uninstall(ca)
        assert removed in files
        assert {each for each in files if each.exists()} == files - {removed}

    def test_an_administrators_own_stay(self, machine: Machine, ca: CertificateAuthority) -> None:
        machine.be("Debian")
        company = machine.root / FAMILIES["Debian"][2] / "company.crt"
        company.parent.mkdir()
        company.write_text("company's")
        machine.trust.install(ca)
        machine.trust.uninstall(ca)
        assert company.read_text() == "company's"


class TestNone:
    @pytest.mark.parametrize("command", [None, "update-ca-trust"])
    def test_a_system_of_no_family(self, command: str | None, machine: Machine) -> None:
        """Also one that has the command, but none of its folders."""
        if command:
            machine.add_command(command)
        with pytest.raises(CaError) as error:
            _ = machine.trust
        assert "neither update-ca-certificates nor update-ca-trust" in str(error.value)
        assert "by hand" in str(error.value)

    def test_a_command_that_may_not_run(self, machine: Machine) -> None:
        machine.be("Debian")
        (machine.tools / "update-ca-certificates").chmod(0o644)
        with pytest.raises(CaError, match="neither"):
            _ = machine.trust

    def test_the_folder_tells_which_of_two_families_it_is(
        self, machine: Machine, ca: CertificateAuthority
    ) -> None:
        """Both call their command the same, and both have /usr/local/share."""
        machine.be("Debian")
        machine.be("openSUSE")
        assert machine.trust.install(ca).parent == machine.root / FAMILIES["openSUSE"][2]


class TestFailure:
    def test_is_told_and_leaves_nothing_for_the_next_update(
        self, machine: Machine, ca: CertificateAuthority
    ) -> None:
        machine.be("Debian", "echo cannot lock; echo sorry >&2; exit 3")
        with pytest.raises(CaError) as error:
            machine.trust.install(ca)
        assert str(error.value) == "update-ca-certificates failed:\ncannot lock\nsorry"
        assert list((machine.root / FAMILIES["Debian"][2]).iterdir()) == []

    def test_what_was_there_before_stays(self, machine: Machine, ca: CertificateAuthority) -> None:
        machine.be("Debian")
        file = machine.trust.install(ca)
        machine.be("Debian", "exit 1")
        with pytest.raises(CaError, match="update-ca-certificates failed"):
            machine.trust.install(ca)
        assert file.exists()

    def test_of_a_command_that_is_none(self, machine: Machine, ca: CertificateAuthority) -> None:
        machine.be("Fedora")
        (machine.tools / "update-ca-trust").write_bytes(b"\x7fELF, or not")
        with pytest.raises(CaError, match="update-ca-trust does not work: "):
            machine.trust.install(ca)

    def test_of_a_command_that_does_not_end(
        self, machine: Machine, ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(system_trust, "_SECONDS", 0.2)
        machine.be("Debian", "exec sleep 100")
        with pytest.raises(CaError, match="timed out"):
            machine.trust.install(ca)
        assert list((machine.root / FAMILIES["Debian"][2]).iterdir()) == []

    @pytest.mark.usefixtures("typed")
    def test_it_asks_nothing(self, machine: Machine, ca: CertificateAuthority) -> None:
        machine.be("Debian", "read answer && exit 1; exit 0")
        assert machine.trust.install(ca).exists()
