"""Warnings that are logged once, though their cause may last all day."""

import logging
from collections.abc import Hashable

from .bounded import BoundedDict

_MAX_REMEMBERED = 1_000


class WarnOnce:
    """Logs a warning unless one with the same key was logged before, as far as is remembered."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._told = BoundedDict[Hashable, None](_MAX_REMEMBERED)

    def __call__(self, key: Hashable, message: str) -> None:
        if key not in self._told:
            self._told[key] = None
            self._logger.warning("%s", message)
