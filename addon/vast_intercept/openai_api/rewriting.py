"""Changes members of a JSON object and leaves all other bytes of its text as they are."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from .members import RepeatedNameError, any_object, split_members
from .outline import Buffer, Outline
from .reading import not_json

type Piece = bytes | bytearray | memoryview

type Edit = Callable[[Buffer], Iterable[tuple[slice, bytes]]]
"""Takes the text of a value. Returns places in it, in order, and what is put in each."""

_COMMA = ord(",")


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of the members of an object, by their names."""

    #: New values, as JSON. Members that are not there yet are added at the end.
    values: Mapping[str, bytes] = field(default_factory=dict)
    left_out: Collection[str] = ()
    #: Changes within values.
    edits: Mapping[str, Edit] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.values or self.left_out or self.edits)


def rewritten(
    body: Buffer, members: Mapping[str, msgspec.Raw], made: Outline | None, changes: Changes
) -> tuple[Piece, ...]:
    """The text of an object with some members changed, in pieces.

    `made` is the outline of a large body, and `members` are those of the outline, then. Raises
    ApiError (400) if a large body has a name twice: its members could not be told apart.
    """
    concerned = {*changes.left_out, *changes.edits} & members.keys()
    if not changes.values and not concerned:
        return (body,)
    text = made.text if made else body
    try:
        spans = list(_kept(text, members, changes))
    except RepeatedNameError:
        if made:
            raise not_json("has a member twice, which is not served in one so large") from None
        # If a name comes twice, the last one counts, here as in vLLM's parser.
        kept = {name: value for name, value in members.items() if name not in changes.left_out}
        once = msgspec.json.encode(kept)
        return rewritten(once, any_object.decode(once), None, changes)
    if made is None:
        return (b"".join(span if isinstance(span, bytes) else text[span] for span in spans),)
    view = memoryview(body)
    return tuple(
        span
        if isinstance(span, bytes)
        else view[made.position(span.start) : made.position(span.stop)]
        for span in spans
    )


def _kept(
    text: Buffer, members: Mapping[str, msgspec.Raw], changes: Changes
) -> Iterator[slice | bytes]:
    """Yields what remains: places in the text, and new bytes between them."""
    begin = 0
    kept_to: int | None = None  # the end of the last member that is kept
    for name, start, value_at, end in split_members(text, members):
        if name in changes.left_out:
            # The comma before it goes as well; of a first member, the one after it.
            if kept_to is not None:
                if begin < kept_to:
                    yield slice(begin, kept_to)
                begin = end
            else:
                if begin < start:
                    yield slice(begin, start)
                begin = end + (text[end] == _COMMA)
            continue
        if name in changes.values:
            yield slice(begin, value_at)
            yield changes.values[name]
            begin = value_at + len(members[name])
        elif name in changes.edits:
            value = text[value_at : value_at + len(members[name])]
            for place, new in changes.edits[name](value):
                yield slice(begin, value_at + place.start)
                yield new
                begin = value_at + place.stop
        kept_to = end
    if added := {name: changes.values[name] for name in changes.values if name not in members}:
        end = text.rindex(b"}")
        if begin < end:
            yield slice(begin, end)
        begin = end
        separator = b"" if kept_to is None else b","
        for name, value in added.items():
            yield b"%b%b:%b" % (separator, msgspec.json.encode(name), value)
            separator = b","
    yield slice(begin, len(text))
