"""Keys that the configuration refers to: `env:NAME`, `file:PATH`, or the key itself."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..secret import Secret, is_sendable
from .file import ConfigError

_MAX_KEY_BYTES = 4096


class FoundKey(NamedTuple):
    """What a reference to a key leads to."""

    #: None if there is no usable key, and then `problem` says why.
    key: Secret | None
    problem: str
    #: The file that it is read from, whether or not that is there.
    file: Path | None = None
    #: The environment variable that the reference names, if any; with all others that hold the key.
    variable: str | None = None
    variables: tuple[str, ...] = ()
    #: Whether the reference is the key itself.
    is_literal: bool = False


def find_key(reference: str, environ: Mapping[str, str], place: str) -> FoundKey:
    """Looks the key up. `place` is where the file has the reference. Raises ConfigError."""
    kind, _, name = reference.partition(":")
    file = variable = None
    if kind in {"env", "file"} and not name:
        raise ConfigError(f"{place}: {reference!r} names none: write env:NAME or file:PATH.")
    if kind == "env":
        where, problem = f"the environment variable {name}", "is not set"
        text = environ.get(name, "").strip()
        variable = name
    elif kind == "file":
        file = read_path(name, place)
        where = f"the key file {file}"
        text, problem = _read_key_file(file)
    else:
        where, problem = place, "is empty"
        text = reference.strip()
    if text and not is_sendable(text):
        text, problem = "", "holds something else than a key"
    key = Secret(text) if text else None
    return FoundKey(
        key,
        "" if key else f"{where} {problem}",
        file,
        variable,
        variables_with_key([variable] if variable else [], key, environ),
        is_literal=kind not in {"env", "file"},
    )


def variables_with_key(
    names: Iterable[str], key: Secret | None, environ: Mapping[str, str]
) -> tuple[str, ...]:
    """The environment variables of `names`, and all others that hold the key."""
    found = list(names)
    if key:
        found += [name for name, value in environ.items() if value.strip() == key.reveal()]
    return tuple(dict.fromkeys(found))


def read_path(text: str, place: str) -> Path:
    """The path that a text names, with `~` expanded. Raises ConfigError if it can be none."""
    try:
        path = Path(text).expanduser()
        os.lstat(path)
    except (RuntimeError, ValueError):  # "~nobody/key"; a null byte
        raise ConfigError(f"{place}: {text!r} cannot be the name of a file.") from None
    except OSError:
        pass
    return path


def _read_key_file(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_KEY_BYTES + 1)
        if len(content) > _MAX_KEY_BYTES:
            return "", "is too large to hold just a key"
        return content.decode().strip(), "is empty"
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        return "", "is not text"
