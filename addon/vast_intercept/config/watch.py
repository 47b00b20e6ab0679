"""The configuration in force: read again whenever its file, or a file with a key, has changed.

A file that is being written looks like a shorter one, and a shorter one can be valid. So a change
is read once its files have been left alone for a moment; one that takes whole sections or the key
away, for a longer moment.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from .config import Config, defaults
from .endpoints import no_key
from .file import ConfigError
from .providers import built_in_providers

logger = logging.getLogger(__name__)

# Seconds that files must have been left alone, before a change is read, and before one is believed
# that takes something away.
SETTLED = 0.25
CONFIRMED = 2.0
# Seconds that a call waits at most for a change that is being written.
AWAITED = 1.0
# Seconds that a start waits at most, and how often it looks.
_STARTED = 5.0
_LOOK_AGAIN = 0.02

# What follows from a configuration that is not valid, if there was none before.
_REFUSED = "Calls are refused until this is mended."
_RECORDED = "Only calls of the providers that are known without it are recorded."

type _Stamp = tuple[int, int, int, int] | None
type _Stamps = tuple[_Stamp, ...]

_NO_FILE = (0, 0, 0, 0)


@dataclass(slots=True)
class _Change:
    """Files that differ from those that were read last; times are those of the watch's clock."""

    stamps: _Stamps
    #: When the first difference was seen.
    noticed: float
    #: When the files became what they are now.
    since: float
    #: Whether the change takes something away, so that it is not believed yet.
    doubted: bool = False


class ConfigWatch:
    """Keeps the configuration in force, as its files say it.

    `load` reads the configuration, `path` is its file. `clock` gives seconds. `refresh` is cheap
    enough for every call: it asks the system for the files' times alone.
    """

    def __init__(
        self,
        load: Callable[[], Config],
        path: Path | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._path = path
        self._clock = clock
        self._key_files: tuple[Path, ...] = ()
        #: Of the files that were read last: times and sizes, and digests of their content.
        self._stamps: _Stamps | None = None
        self._digests: tuple[bytes, ...] | None = None
        self._change: _Change | None = None
        # Until one is valid, no known provider may get calls that were meant for Vast.
        self.config = replace(defaults(), providers=tuple(built_in_providers().values()))
        #: Why there is no valid configuration yet; empty once there is one.
        self.problem = "The configuration has not been read yet."
        #: Whether calls are served by it. Where they are recorded, only its providers count.
        self.serving = True

    @property
    def pending(self) -> bool:
        """Whether the files have changed, and are to be read in a moment."""
        return self._change is not None

    @property
    def awaited(self) -> bool:
        """Whether the files have just changed, so that waiting for them is worth it."""
        change = self._change
        return bool(change and not change.doubted and self._clock() - change.noticed < AWAITED)

    def start(self) -> None:
        """Reads the files. Waits while they are being written, which blocks."""
        end = time.monotonic() + _STARTED
        self.refresh()
        while self.pending and time.monotonic() < end:
            time.sleep(_LOOK_AGAIN)
            self.refresh()

    def refresh(self) -> bool:
        """Reads the files again if they have changed; True if there is a new configuration.

        A configuration that is not valid is logged, and the one before stays in force.
        """
        stamps = self._stamps_now()
        if stamps == self._stamps:
            self._change = None
            return False
        now = self._clock()
        change = self._change
        if change is None or stamps != change.stamps:
            if self._digests and self._digests_now() == self._digests:
                self._stamps = stamps  # written again, as it was
                self._change = None
                return False
            change = self._change = _Change(
                stamps, change.noticed if change else now, now - self._age(stamps)
            )
        if now - change.since < (CONFIRMED if change.doubted else SETTLED):
            return False
        return self._read(change, now)

    def _read(self, change: _Change, now: float) -> bool:
        digests = self._digests_now()
        problem = None
        try:
            config = self._load()
        except ConfigError as error:
            problem = error
        if self._stamps_now() != change.stamps:
            return False  # it has changed while it was read
        if problem:
            self._stamps, self._change = change.stamps, None
            self._refuse(problem)
            return False
        if config.key_files != self._key_files:
            new = set(config.key_files).difference(self._key_files)
            self._key_files = config.key_files
            if any(each.is_file() for each in new):
                return self.refresh()  # it may be being written, too
            change.stamps = self._stamps_now()
        if now - change.since < CONFIRMED and (doubt := self._doubt(config)):
            change.doubted = True
            self._say(doubt)
            return False
        first = self._stamps is None
        is_another = config != self.config or bool(self.problem)
        self._stamps, self._digests, self._change = change.stamps, digests, None
        self.config = config
        self.problem = ""
        if not is_another:
            return False
        for warning in config.warnings if self.serving else ():
            logger.warning("%s", warning)
        if not first:
            logger.info("Read the configuration again: %s", config.source)
        return True

    def _refuse(self, error: ConfigError) -> None:
        if self.problem:
            self.problem = str(error)
            logger.warning("%s %s", error, _REFUSED if self.serving else _RECORDED)
        else:
            logger.warning("%s The configuration from before stays in force.", error)

    def _doubt(self, config: Config) -> str:
        """A sentence on what the change takes away, as a half-written file does; else nothing."""
        if self.problem:
            return f"{self._path} sets nothing." if self._path and not config.sections else ""
        if gone := self.config.sections - config.sections:
            what = ", ".join(sorted(gone)) if config.sections else "anything"
            return f"{self._path} no longer sets {what}."
        if self.config.api_key and not config.api_key:
            return f"There is no Vast API key any more: {config.api_key_problem}."
        for name, before in self.config.machines.items():
            if (machine := config.machines.get(name)) is None:
                return f"{self._path} no longer has the machine {name!r}."
            if before.api_key and machine.api_key_problem:
                return no_key(name, machine)
        return ""

    def _say(self, doubt: str) -> None:
        if self.problem:
            self.problem = f"{doubt} It may still be being written."
        else:
            logger.warning(
                "%s The configuration from before stays in force, unless this is still so in %g s.",
                doubt,
                CONFIRMED,
            )

    def _age(self, stamps: _Stamps) -> float:
        """For how many seconds the files have surely been what they are now.

        The files' own times count only at the start: whoever writes them may have another clock.
        """
        if self._stamps is not None:
            return 0
        changed = max((max(stamp[:2]) for stamp in stamps if stamp), default=0)
        return max(0, time.time() - changed / 1e9)

    def _stamps_now(self) -> _Stamps:
        return _stamp(self._path), *map(_stamp, self._key_files)

    def _digests_now(self) -> tuple[bytes, ...]:
        return _digest(self._path), *map(_digest, self._key_files)


def _digest(path: Path | None) -> bytes:
    """A digest of a file's content, which may be a key. Pipes are not read: they give it once."""
    try:
        if path and path.is_file():
            return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        pass
    return repr(_stamp(path)).encode()


def _stamp(path: Path | None) -> _Stamp:
    if path is None:
        return None
    try:
        status = os.stat(path)  # noqa: PTH116  (on the path of every call)
    except OSError:
        return _NO_FILE
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
