"""What the tests of the documentation share."""

from collections.abc import Iterator

import pytest

from .machine import Machine


@pytest.fixture(scope="session")
def _machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    yield machine
    machine.close()


@pytest.fixture
def machine(_machine: Machine) -> Machine:
    """One with the project in it, and with the stand-in for Vast, which has no calls yet."""
    _machine.calls()
    return _machine
