"""What is asked for of a response alone, and where in the response it is. Pure."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from ...bridges.bridge import Record
from ...openai_api.members import DECODE_ERRORS

# What keeping a response, or finding an item in it, takes besides their own bytes: estimated, and
# tested to be enough.
_PER_RECORD = 1_500
_PER_ITEM = 400


@dataclass(frozen=True, slots=True)
class ItemPlace:
    """Where an item is: in the response or in its input, from which byte to which."""

    in_response: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A response as it is kept."""

    record: Record
    #: From which byte of the response to which its output is.
    output: slice
    #: By the items' ids.
    places: dict[str, ItemPlace]
    #: Items in input and output, with ids or without.
    number_of_items: int
    #: Bytes that it takes.
    size: int


class _Output(msgspec.Struct):
    output: msgspec.Raw = msgspec.Raw(b"[]")


class _Item(msgspec.Struct):
    id: str | None = None


_output = msgspec.json.Decoder(_Output)
_raw_items = msgspec.json.Decoder(list[msgspec.Raw])
_item = msgspec.json.Decoder(_Item)


def keep(record: Record) -> Kept:
    """Finds the parts of a response that are asked for alone."""
    output = _find_output(record.response)
    inputs = _items_in(record.items, slice(0, len(record.items)))
    outputs = _items_in(record.response, output)
    places = {
        id_: ItemPlace(in_response, start, end)
        for in_response, found in ((False, inputs), (True, outputs))
        for id_, start, end in found
        if id_
    }
    size = len(record.items) + len(record.response) + _PER_RECORD
    size += sum(_PER_ITEM + 4 * len(id_) for id_ in places)
    return Kept(record, output, places, len(inputs) + len(outputs), size)


def item_of(record: Record, place: ItemPlace) -> bytes:
    """The item that is there."""
    return (record.response if place.in_response else record.items)[place.start : place.end]


def owners_digest(salt: bytes, owner: str) -> bytes:
    """What stands for an owner in a store: it tells nobody which key the owner has."""
    return hmac.digest(salt, owner.encode(), hashlib.sha256)


def _find_output(response: bytes) -> slice:
    try:
        output = bytes(_output.decode(response).output)
    except DECODE_ERRORS:
        return slice(0, 0)
    # Whatever else in the response has the same bytes is as good.
    start = response.find(output)
    return slice(start, start + len(output)) if start >= 0 else slice(0, 0)


def _items_in(text: bytes, part: slice) -> list[tuple[str | None, int, int]]:
    """Id, start and end in the text of each item of a JSON array."""
    try:
        return list(_find_items(text, part))
    except DECODE_ERRORS:
        return []


def _find_items(text: bytes, part: slice) -> Iterator[tuple[str | None, int, int]]:
    position = part.start
    for raw in _raw_items.decode(text[part]) if text[part] else ():
        item = bytes(raw)
        start = text.index(item, position)
        position = start + len(item)
        yield _id_of(item), start, position


def _id_of(item: bytes) -> str | None:
    try:
        return _item.decode(item).id
    except DECODE_ERRORS:
        return None
