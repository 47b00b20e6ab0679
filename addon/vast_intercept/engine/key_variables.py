"""Keeps the keys in environment variables, Vast's and machines', from apps and out of /proc."""

import ctypes
import os
from collections.abc import Iterable, Mapping

from ..secret import VAST_KEY_VARIABLE


def with_the_same_key(names: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """The variables of `names`, and all others of `environ` that hold the same key."""
    known = {VAST_KEY_VARIABLE, *names}
    keys = {environ[name].strip() for name in known if environ.get(name, "").strip()}
    return [name for name, value in environ.items() if name in known or value.strip() in keys]


def without_variables(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the variables of `names`."""
    left_out = set(names)
    return {name: value for name, value in environ.items() if name not in left_out}


def hide_variables(names: Iterable[str]) -> None:
    """Overwrites variables where /proc/PID/environ shows them to other processes of the user.

    That is the memory in which this process got them; `os.environ` is a copy, and keeps them.
    """
    if os.name != "posix":
        return
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    for name in names:
        if address := libc.getenv(os.fsencode(name)):
            ctypes.memset(address, 0, len(ctypes.string_at(address)))
