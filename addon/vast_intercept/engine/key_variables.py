"""The Vast key in environment variables: kept from the app, and out of what /proc shows."""

import ctypes
import os
from collections.abc import Iterable, Mapping

from ..secret import VAST_KEY_VARIABLE


def with_the_same_key(names: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """These variables and all others that hold the same value: the key under another name."""
    known = {VAST_KEY_VARIABLE, *names}
    keys = {environ[name].strip() for name in known if environ.get(name, "").strip()}
    return [name for name, value in environ.items() if name in known or value.strip() in keys]


def without_variables(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of an app: the Vast key is for the interceptor alone."""
    kept_from_it = set(names)
    return {name: value for name, value in environ.items() if name not in kept_from_it}


def hide_variables(names: Iterable[str]) -> None:
    """Overwrites variables where /proc/PID/environ shows them to others of the same user.

    That is the memory in which this process got them. `os.environ` is a copy and keeps them.
    """
    if os.name != "posix":
        return
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    for name in names:
        if address := libc.getenv(os.fsencode(name)):
            ctypes.memset(address, 0, len(ctypes.string_at(address)))
