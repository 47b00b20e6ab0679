"""Why there can be no jail on this machine, and what to do about it."""

import errno
from pathlib import Path

_SECCOMP_FILTER = "2"
#: Settings of the kernel, each with the value that forbids namespaces and one that allows them.
_SETTINGS = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "10000"),
    ("user.max_net_namespaces", "0", "10000"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)


class JailError(Exception):
    """There can be no jail. The message says what is missing or forbidden, and what to do."""


def missing_tool(tool: str, debian_package: str, instead: str = "") -> str:
    """Says that the jail needs `tool`, or the other tool `instead`, and what to install."""
    also = f" (or {instead})" if instead else ""
    return (
        f"The jail needs {tool}{also}. On Debian and Ubuntu: apt-get install {debian_package};"
        " elsewhere the package has the same name."
    )


def _read_setting(path: str) -> str | None:
    """Reads a setting of the kernel, or None if it has no such setting."""
    try:
        return Path(path).read_text("ascii").strip()
    except OSError:
        return None


def why_forbidden(step: str, number: int) -> str:
    """Says which setting forbids user namespaces here, as far as that can be told.

    `step` is what has failed, with the error `number`.
    """
    failed = f"{step}: {errno.errorcode.get(number, number)}"
    for name, forbidding, allowing in _SETTINGS:
        if _read_setting(f"/proc/sys/{name.replace('.', '/')}") == forbidding:
            return (
                f"The jail needs user namespaces, which the setting {name} = {forbidding} forbids"
                f" here ({failed}). As root: sysctl -w {name}={allowing}"
            )
    status = _read_setting("/proc/self/status") or ""
    if f"Seccomp:\t{_SECCOMP_FILTER}" in status:
        return (
            f"The jail needs user namespaces, which this container's seccomp profile forbids"
            f" ({failed}). Start the container with --security-opt seccomp=unconfined, or set up"
            " `vast-intercept run` without --jail in it."
        )
    return f"The jail cannot be made ({failed})."


def no_tun_device(number: int) -> str:
    """Says what to do if opening /dev/net/tun has failed with the error `number`."""
    if number == errno.EACCES:
        return (
            "The jail's network needs /dev/net/tun, which only root may open here. As root:"
            " chmod 666 /dev/net/tun (what udev does elsewhere)"
        )
    return (
        "The jail's network needs /dev/net/tun, which is not here. As root: modprobe tun; in a"
        " container: --device /dev/net/tun"
    )
