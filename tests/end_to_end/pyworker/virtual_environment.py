"""A virtual environment for the PyWorker: the versions that it needs are not mitmproxy's."""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...harness import PROJECT

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_FOLDER = PROJECT / ".venv" / "pyworker"


class InstallationError(Exception):
    """The PyWorker could not be installed."""


def pyworker_python() -> Path:
    """The environment's Python. Installs it on first use, and when its ingredients have changed.

    Raises InstallationError.
    """
    python = _FOLDER / "bin" / "python"
    made_from = _FOLDER / "ingredients"
    ingredients = f"{sys.version}\n{_FOLDER}\n{_REQUIREMENTS.read_text()}"
    with _alone():
        if not made_from.exists() or made_from.read_text() != ingredients:
            shutil.rmtree(_FOLDER, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(_FOLDER))
            pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            _run(*pip, "--requirement", str(_REQUIREMENTS))
            # Last, so that an installation which was interrupted is made again.
            made_from.write_text(ingredients)
    return python


@contextmanager
def _alone() -> Iterator[None]:
    """Has other test runs wait until this one has what it needs."""
    _FOLDER.parent.mkdir(exist_ok=True)
    with _FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str) -> None:
    # With the environment as it is: it may say where packages come from.
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise InstallationError(
            "Vast's PyWorker, which these tests run, could not be installed.\n"
            f"{' '.join(command)} ended with code {done.returncode}:\n{done.stdout}"
        )
