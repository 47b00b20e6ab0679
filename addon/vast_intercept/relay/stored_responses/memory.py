"""Keeps responses in memory, until the process ends."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from ...bridges.bridge import Record
from .bounds import BOUNDS, Bounds, LostTurnError
from .kept import Kept, item_of, keep, owners_digest

type _Key = tuple[bytes, str]


class MemoryStore:
    """A store in memory. `clock` gives the time in seconds."""

    def __init__(self, bounds: Bounds = BOUNDS, clock: Callable[[], float] = time.time) -> None:
        self._bounds = bounds
        self._clock = clock
        self._salt = secrets.token_bytes(32)
        # With the oldest first.
        self._kept: OrderedDict[_Key, tuple[float, Kept]] = OrderedDict()
        # The responses that an item is in, with the latest last: apps send items back.
        self._containing: dict[_Key, tuple[str, ...]] = {}
        self._size = 0

    async def check(self) -> None:
        """Has nothing to say: memory can always be used."""

    async def put(self, owner: str, record: Record) -> None:
        """Keeps a response, in place of one with the same id."""
        key = self._key(owner, record.id)
        if key in self._kept:
            self._drop(key)
        kept = keep(_compact(record))
        if kept.size > self._bounds.bytes:
            return
        self._kept[key] = self._clock(), kept
        self._size += kept.size
        for id_ in kept.places:
            item = key[0], id_
            self._containing[item] = (*self._containing.get(item, ()), record.id)
        while len(self._kept) > self._bounds.number or self._size > self._bounds.bytes:
            self._drop(next(iter(self._kept)))

    async def get(self, owner: str, id_: str) -> Record | None:
        """The response with this id, or None."""
        kept = self._find(self._key(owner, id_))
        return kept.record if kept else None

    async def history(self, owner: str, id_: str) -> list[bytes]:
        """The conversation up to this response: input and output of each turn."""
        digest = self._key(owner, id_)[0]
        turns: list[tuple[bytes, bytes]] = []
        wanted: str | None = id_
        size = number = 0
        while wanted is not None:
            kept = self._find((digest, wanted))
            if kept is None:
                if turns:
                    raise LostTurnError(wanted)
                break
            record = kept.record
            turns.append((record.items, record.response[kept.output]))
            size += sum(map(len, turns[-1]))
            number += kept.number_of_items
            self._bounds.check_history(len(turns), size, number)
            wanted = record.previous
        return [items for turn in reversed(turns) for items in turn]

    async def items(self, owner: str, ids: tuple[str, ...]) -> dict[str, bytes]:
        """Those of the items that are in a response, as JSON."""
        self._drop_old()
        digest = owners_digest(self._salt, owner)
        found, size = {}, 0
        for id_ in ids:
            if containing := self._containing.get((digest, id_)):
                _, kept = self._kept[digest, containing[-1]]
                found[id_] = item_of(kept.record, kept.places[id_])
                size += len(found[id_])
                self._bounds.check_history(1, size, len(found))
        return found

    async def delete(self, owner: str, id_: str) -> bool:
        """Deletes a response. False if there is none."""
        key = self._key(owner, id_)
        found = self._find(key) is not None
        if found:
            self._drop(key)
        return found

    async def close(self) -> None:
        """Forgets everything."""
        self._kept.clear()
        self._containing.clear()
        self._size = 0

    def _key(self, owner: str, id_: str) -> _Key:
        return owners_digest(self._salt, owner), id_

    def _find(self, key: _Key) -> Kept | None:
        self._drop_old()
        at_and_kept = self._kept.get(key)
        return at_and_kept[1] if at_and_kept else None

    def _drop_old(self) -> None:
        too_old = self._clock() - self._bounds.seconds
        while self._kept and next(iter(self._kept.values()))[0] <= too_old:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: _Key) -> None:
        _, kept = self._kept.pop(key)
        self._size -= kept.size
        digest, id_ = key
        for item in kept.places:
            others = tuple(each for each in self._containing.pop((digest, item)) if each != id_)
            if others:
                self._containing[digest, item] = others


def _compact(record: Record) -> Record:
    """The record in as much memory as it needs. msgspec leaves room behind what it encodes."""
    items, response = (bytes(memoryview(text)) for text in (record.items, record.response))
    return Record(record.id, record.previous, items, response)
