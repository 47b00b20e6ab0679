"""Running the system's tools; errors and warnings."""

import shutil
import subprocess
import sys

ME = "scripts/transparent"


class GatewayError(Exception):
    """Why a command has failed. The message is for the user."""


class UsageError(GatewayError):
    """The command line makes no sense."""


def warn(message: str) -> None:
    """Prints a message on standard error."""
    print(f"{ME}: {message}", file=sys.stderr)


def has(tool: str) -> bool:
    """Whether there is such a program."""
    return shutil.which(tool) is not None


def run(*command: str, text: str = "", complaint: str = "") -> tuple[bool, str]:
    """Runs a tool that reads `text`. Returns whether it succeeded, and all that it printed.

    If there is a complaint, a failure is printed, and raises GatewayError with the complaint.
    """
    data = text.encode("utf-8", "surrogateescape")  # others' rules may have any bytes in comments
    pipe, stderr = subprocess.PIPE, subprocess.STDOUT
    try:
        done = subprocess.run(command, input=data, stdout=pipe, stderr=stderr, check=False)
        succeeded, said = done.returncode == 0, done.stdout.decode("utf-8", "surrogateescape")
    except OSError as error:
        succeeded, said = False, f"{command[0]}: {error.strerror}"
    if complaint and not succeeded:
        print(said.strip(), file=sys.stderr)
        raise GatewayError(complaint)
    return succeeded, said.strip()
