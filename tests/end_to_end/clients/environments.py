"""What the clients are made of, each in a folder of its own that is kept between test runs."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from ...harness import PROJECT

PROGRAMS = Path(__file__).with_name("programs")
_SDK_PROGRAMS = PROGRAMS / "sdks"
_REQUIREMENTS = Path(__file__).with_name("requirements")
_FOLDER = PROJECT / ".venv" / "clients"

# Of each tool, the Debian packages that it takes.
_PACKAGES = {
    "certutil": "libnss3-tools",
    "chromium": "chromium",
    "curl": "curl",
    "go": "golang-go",
    "elixir": "elixir",
    "emacs": "emacs-nox",
    "java": "default-jdk-headless",
    "javac": "default-jdk-headless",
    "lua5.4": "lua5.4",
    "node": "nodejs",
    "npm": "npm",
    "perl": "perl",
    "php": "php-cli",
    "PHP's curl": "php-curl",
    "Rscript": "r-base-core",
    "ruby": "ruby",
    "tclsh": "tcl",
    "wget": "wget",
}


class InstallationError(Exception):
    """Something that a client needs is not there, and could not be installed."""


def tool(name: str) -> str:
    """The path of one of the machine's tools. Raises InstallationError."""
    path = shutil.which(name)
    if path is None:
        raise _missing(name)
    return path


def java() -> str:
    """The path of a `java` that runs source files. Raises InstallationError."""
    tool("javac")
    return tool("java")


def php() -> str:
    """The path of a `php` with its curl. Raises InstallationError."""
    path = tool("php")
    asked = "exit(extension_loaded('curl') ? 0 : 1);"
    if subprocess.run([path, "-r", asked], check=False).returncode:
        raise _missing("PHP's curl")
    return path


def python(requirements: str) -> str:
    """The Python of a virtual environment with these requirements. Raises InstallationError."""
    listed = _REQUIREMENTS / f"{requirements}.txt"
    folder = _FOLDER / requirements
    executable = str(folder / "bin" / "python")
    with _made(folder, sys.version, listed.read_text()) as missing:
        if missing:
            # The pip of the tests' own environment will do, and what is never imported need not
            # be compiled: that halves the time.
            _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
            pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
            # The lists are complete, and some old packages forbid what works all the same.
            install = ("install", "--no-compile", "--no-deps", "--only-binary", ":all:")
            _run(*pip, "--python", executable, *install, "--requirement", str(listed))
    return executable


def node_program(name: str) -> str:
    """A program for Node beside the packages that it imports. Raises InstallationError."""
    return str(_npm_folder("node", _REQUIREMENTS, PROGRAMS.glob("*.mjs")) / name)


def runtime(path: str) -> str:
    """A runtime for JavaScript that is an npm package, by its path. Raises InstallationError."""
    return str(_npm_folder("runtimes", _REQUIREMENTS / "runtimes") / "node_modules" / path)


def sdk_program(name: str) -> str:
    """A program for Node beside the packages for agents. Raises InstallationError."""
    return str(_npm_folder("sdks", _REQUIREMENTS / "sdks", _SDK_PROGRAMS.glob("*.mjs")) / name)


def app(path: str) -> str:
    """A coding agent that is an npm package, by its path. Raises InstallationError."""
    return str(_npm_folder("apps", _REQUIREMENTS / "apps") / "node_modules" / path)


def _npm_folder(name: str, requirements: Path, programs: Iterable[Path] = ()) -> Path:
    """A folder with npm packages, and with programs that import them."""
    folder = _FOLDER / name
    listed = [requirements / "package.json", requirements / "package-lock.json"]
    copied = [*listed, *sorted(programs)]
    with _made(folder, *(path.read_text() for path in copied)) as missing:
        if missing:
            for path in copied:
                shutil.copy(path, folder)
            _run(tool("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    return folder


def having(*command: str) -> None:
    """Raises InstallationError unless the command, which loads what a client needs, ends well."""
    loaded = subprocess.run(command, capture_output=True, text=True, check=False)
    if loaded.returncode:
        raise InstallationError(
            "Something that this test needs is not on this machine; docs/development.md"
            f" lists the Debian packages.\n{' '.join(command)}:\n{loaded.stderr}"
        )


def go_program(name: str) -> str:
    """A program in Go, built. Raises InstallationError."""
    go = tool("go")
    folder = _FOLDER / "go"
    program = PROGRAMS / f"{name}.go"
    with _made(folder, program.read_text()) as missing:
        if missing:
            cache = {"GOCACHE": str(folder / "cache"), "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
            _run(go, "build", "-o", str(folder / name), str(program), variables=cache)
            shutil.rmtree(folder / "cache")
    return str(folder / name)


def _missing(name: str) -> InstallationError:
    return InstallationError(
        f"This test needs {name}, which is not on this machine. On Debian:"
        f" apt-get install {_PACKAGES[name]}"
    )


@contextmanager
def _made(folder: Path, *ingredients: str) -> Iterator[bool]:
    """Has the body make the folder, if it is not there or was made from something else.

    Other test runs wait meanwhile.
    """
    made_from = folder / "ingredients"
    text = "\n".join([str(folder), *ingredients])
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made_from.exists() and made_from.read_text() == text:
            yield False
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield True
        # Last, so that what was interrupted is made again.
        made_from.write_text(text)


def _run(
    *command: str, cwd: Path | None = None, variables: Mapping[str, str] = MappingProxyType({})
) -> None:
    # With the environment as it is: it may say where packages come from.
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise InstallationError(
            "A client that these tests run could not be installed.\n"
            f"{' '.join(command)} ended with code {done.returncode}:\n{done.stdout}"
        )
