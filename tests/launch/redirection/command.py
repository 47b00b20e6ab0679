"""`scripts/transparent`, as a user calls it."""

import subprocess

from ... import harness

SCRIPT = str(harness.PROJECT / "scripts" / "transparent")


def transparent(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it."""
    return run(SCRIPT, *arguments)


def run(*command: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs any command, for what it prints."""
    return subprocess.run(
        command,
        cwd=harness.PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=check,
    )


def done(result: subprocess.CompletedProcess[str]) -> str:
    """What a command printed that must have succeeded without a complaint."""
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout
