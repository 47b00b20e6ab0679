"""Warnings that are told once, though what they are about may go on all day."""

import logging
from collections import OrderedDict
from collections.abc import Hashable

_MAX_REMEMBERED = 1_000


class WarnOnce:
    """Logs a warning unless one with the same key was logged before, as far as is remembered."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._told: OrderedDict[Hashable, None] = OrderedDict()

    def __call__(self, key: Hashable, message: str) -> None:
        if key in self._told:
            return
        self._told[key] = None
        if len(self._told) > _MAX_REMEMBERED:
            self._told.popitem(last=False)
        self._logger.warning("%s", message)
