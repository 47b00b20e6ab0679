"""Dictionaries that cannot grow without end."""

from collections import OrderedDict


class BoundedDict[K, V](OrderedDict[K, V]):
    """Holds `limit` entries at most: a new one pushes out the one that was set longest ago."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)
