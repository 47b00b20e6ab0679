"""The configuration in force: read again whenever its file, or the key's file, has changed."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from .config import Config, defaults
from .config_file import ConfigError

logger = logging.getLogger(__name__)

type _Stamp = tuple[int, int, int] | None


class ConfigWatch:
    """Holds a configuration. `refresh` is cheap enough for every call: it asks for a file's age."""

    def __init__(self, load: Callable[[], Config], path: Path | None) -> None:
        self._load = load
        self._path = path
        self._stamps: tuple[_Stamp, ...] = ()
        self.config = defaults()
        #: Why there is no valid configuration yet; empty once there is one.
        self.problem = "The configuration has not been read yet."

    def refresh(self) -> bool:
        """Reads the files again if they have changed; True if there is a new configuration.

        A configuration that is not valid is logged, and the one before stays in force.
        """
        stamps = self._stamps_now()
        if stamps == self._stamps:
            return False
        first = not self._stamps  # even a file that is not there has one
        self._stamps = stamps
        try:
            config = self._load()
        except ConfigError as error:
            if self.problem:
                self.problem = str(error)
                logger.warning("%s Calls are refused until this is mended.", error)
            else:
                logger.warning("%s The configuration from before stays in force.", error)
            return False
        if config.key_file != self.config.key_file:
            # Only this one: a file that has changed while it was read is to be read again.
            self._stamps = stamps[0], _stamp(config.key_file)
        self.config = config
        self.problem = ""
        for warning in config.warnings:
            logger.warning("%s", warning)
        if not first:
            logger.info("Read the configuration again: %s", config.source)
        return True

    def _stamps_now(self) -> tuple[_Stamp, ...]:
        return _stamp(self._path), _stamp(self.config.key_file)


def _stamp(path: Path | None) -> _Stamp:
    if path is None:
        return None
    try:
        status = os.stat(path)  # noqa: PTH116  (on the path of every call)
    except OSError:
        return (0, 0, 0)
    return status.st_mtime_ns, status.st_size, status.st_ino
