"""What systemd does with the units of the page, as far as they need it: `systemctl COMMAND [UNIT]`.

A service gets the environment that its unit makes, and nothing of whoever starts it. It is stopped
with the unit's signal, and it is an error if that takes longer than the unit allows. Its output is
in /run/UNIT.log, its id in /run/UNIT.pid.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

_UNITS = Path("/etc/systemd/system")
_RUN = Path("/run")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VARIABLE = re.compile(r'^(\w+)=(?:"((?:[^"\\]|\\.)*)"|(.*))$', re.MULTILINE)

type Unit = dict[str, list[str]]


def main(command: str, *arguments: str) -> None:
    """The command line."""
    names = [each.removesuffix(".service") for each in arguments if not each.startswith("-")]
    for name in names:
        if command in {"disable", "stop", "restart"}:
            stop(name)
        if command in {"enable", "start", "restart"}:
            start(name)
    assert command in {"daemon-reload", "disable", "enable", "restart", "start", "stop"}, command
    assert command not in {"disable", "enable"} or "--now" in arguments


def read_unit(name: str) -> Unit:
    """The settings of its section [Service], with those of drop-ins. Each may occur repeatedly."""
    unit: Unit = defaultdict(list)
    files = [_UNITS / f"{name}.service", *sorted((_UNITS / f"{name}.service.d").glob("*.conf"))]
    for file in files:
        text = file.read_text().partition("[Service]\n")[2].partition("\n[")[0]
        for line in text.splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.partition("=")
                unit[key].append(value)
    return unit


def environment(name: str, unit: Unit) -> dict[str, str]:
    """The service's. Makes what the variables name."""
    environ = {"PATH": _PATH}
    if unit["User"]:
        users = [line.split(":") for line in Path("/etc/passwd").read_text().splitlines()]
        (home,) = [user[5] for user in users if user[0] == unit["User"][0]]
        environ |= {"USER": unit["User"][0], "HOME": home}
    for folder in unit["StateDirectory"]:
        state = Path("/var/lib", folder)
        state.mkdir(mode=int(unit["StateDirectoryMode"][0], 8), exist_ok=True)
        environ["STATE_DIRECTORY"] = str(state)
    for credential in unit["LoadCredential"]:
        key, _, source = credential.partition(":")
        credentials = _RUN / "credentials" / f"{name}.service"
        credentials.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, credentials / key)
        environ["CREDENTIALS_DIRECTORY"] = str(credentials)
    for assignment in unit["Environment"]:
        key, _, value = assignment.partition("=")
        environ[key] = value
    for file in unit["EnvironmentFile"]:
        for key, quoted, plain in _VARIABLE.findall(Path(file).read_text()):
            environ[key] = re.sub(r"\\(.)", r"\1", quoted) or plain
    return environ


def start(name: str) -> None:
    """Starts it, and waits for it only if it is there for once."""
    unit = read_unit(name)
    with (_RUN / f"{name}.log").open("a") as log:
        started = subprocess.Popen(
            shlex.split(unit["ExecStart"][0]),
            cwd="/",
            env=environment(name, unit),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if unit["Type"] == ["oneshot"]:
        if code := started.wait():
            sys.exit(f"{name} has failed with exit code {code}")
    else:
        (_RUN / f"{name}.pid").write_text(str(started.pid))


def stop(name: str) -> None:
    """Stops it, if it runs."""
    unit = read_unit(name)
    file = _RUN / f"{name}.pid"
    if not file.exists():
        return
    pid = int(file.read_text())
    os.kill(pid, signal.Signals[unit["KillSignal"][0]])
    deadline = time.monotonic() + float(unit["TimeoutStopSec"][0])
    while Path("/proc", str(pid)).exists():
        if time.monotonic() > deadline:
            sys.exit(f"{name} does not end")
        time.sleep(0.02)
    file.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
