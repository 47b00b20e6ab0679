"""The JSON body of a call: its members, and what is estimated of those that only an outline has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ..openai_api.limits import MAX_MEMBERS
from ..openai_api.members import NULL, RepeatedNameError, split_members
from ..openai_api.outline import Buffer, Outline
from ..openai_api.reading import decode, invalid_value, is_null, missing, not_json, read_members
from ..openai_api.requests import NO_MODEL, too_much
from ..openai_api.rewriting import Changes, Piece, rewritten

# What Vast's worker would take for the whole call, where a call has no such parameter (FACTS V24).
_RESERVED = ("input",)

_text_or_null = msgspec.json.Decoder(str | None)


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A body that is a JSON object. Of a large one, `members` are those of its outline."""

    body: Buffer
    made: Outline | None
    members: Mapping[str, msgspec.Raw]

    def value(self, name: str) -> msgspec.Raw:
        """The value of a member, undecoded; null if it is not there."""
        return self.members.get(name, NULL)

    def is_there(self, name: str) -> bool:
        """Whether there is a member of that name that is not null."""
        return not is_null(self.value(name))

    def required(self, name: str) -> msgspec.Raw:
        """The value of a member. Raises ApiError (400) if there is none, or null."""
        if not self.is_there(name):
            raise missing(name)
        return self.value(name)

    def text(self, name: str) -> str | None:
        """A member that is a text or null. Raises ApiError (400) if it is something else."""
        text: str | None = decode(_text_or_null, self.value(name), name)
        return text

    def choice(self, name: str, known: Sequence[str]) -> str | None:
        """A member that is one of the known words, or null. Raises ApiError (400)."""
        word = self.text(name)
        if word is not None and word not in known:
            raise invalid_value(name, word, known)
        return word

    @property
    def reserved(self) -> tuple[str, ...]:
        """Members that an operation does not have, and Vast's worker would take for all of it."""
        return tuple(name for name in _RESERVED if name in self.members)

    def characters(self, name: str, counted: int) -> int:
        """How many characters the texts in a member have, of which `counted` were seen.

        For a large body this is an estimate: what the outline omits is taken to have as many bytes
        for a character as what it does not omit.
        """
        return counted + self.omitted(name) * counted // (len(self.value(name)) or 1)

    def omitted(self, name: str) -> int:
        """How many bytes of a member's value are not in the outline."""
        return len(self.whole(name)) - len(self.value(name))

    def whole(self, name: str) -> memoryview:
        """A member's value as it stands in the whole body.

        Raises ApiError (400) if a large body has two members of one name.
        """
        if self.made is None or name not in self.members:
            return memoryview(self.value(name))
        try:
            starts = {each: at for each, _, at, _ in split_members(self.made.text, self.members)}
        except RepeatedNameError:
            raise not_json("has a member twice, which is not served in one so large") from None
        start = starts[name]
        end = start + len(self.members[name])
        return memoryview(self.body)[self.made.position(start) : self.made.position(end)]

    def pieces(
        self, values: Mapping[str, bytes] | None = None, left_out: tuple[str, ...] = ()
    ) -> tuple[Piece, ...]:
        """The body with an empty `model`, with these values, and without those members."""
        emptied = {"model": NO_MODEL} if "model" in self.members else {}
        changes = Changes({**emptied, **(values or {})}, left_out)
        return rewritten(self.body, self.members, self.made, changes)


def read_json_body(body: Buffer, made: Outline | None) -> JsonBody:
    """Reads a body. `made` is the outline of a large one. Raises ApiError (400)."""
    members = read_members(made.text if made else body)
    if len(members) > MAX_MEMBERS:
        raise too_much(f"{MAX_MEMBERS:,} members")
    return JsonBody(body, made, members)
