"""What somebody said, in parts: a message of a request, or a choice of an answer. Pure."""

from dataclasses import dataclass, field
from typing import Literal

from .layout import block, tool_call

type Kind = Literal["text", "reasoning", "refusal", "call", "other"]
"""What a part is. Of one of another kind, such as an image, the text is what stands for it."""

type Place = tuple[int, int]
"""Where a part is within its item: the section, and the number there."""

#: The only part of an item that has one part.
ONLY: Place = (0, 0)


@dataclass(slots=True)
class Part:
    """A text, or a call of a tool, in the pieces that it came in.

    The text of a call is what the tool gets: JSON as the model wrote it, or any text.
    """

    kind: Kind = "text"
    text: list[str] = field(default_factory=list)
    #: Of a call: its id, and the tool's name.
    id: str = ""
    name: list[str] = field(default_factory=list)

    def shown(self) -> str:
        """The part as text; empty if it says nothing."""
        text = "".join(self.text)
        if self.kind == "call":
            return tool_call("".join(self.name), self.id, text)
        return block(self.kind, text) if text and self.kind not in {"text", "other"} else text


@dataclass(slots=True)
class Choice:
    """A message, or one of an answer's choices."""

    role: str = "assistant"
    finish_reason: str | None = None
    #: The parts of each item, by the item's number. They may come in any order.
    items: dict[int, dict[Place, Part]] = field(default_factory=dict)
    #: The part that something was added to last.
    _latest: Part | None = None

    def part(self, item: int, place: Place = ONLY, kind: Kind = "text") -> Part:
        """The part at this place, which is made if there is none."""
        parts = self.items.get(item)
        if parts is None:
            parts = self.items[item] = {}
        part = parts.get(place)
        if part is None:
            part = parts[place] = Part(kind)
        self._latest = part
        return part

    def add(self, part: Part) -> None:
        """Adds an item of one part behind the others."""
        self.items[len(self.items)] = {ONLY: part}

    def leave_out(self, mark: str) -> None:
        """Notes by a mark that what comes next does not follow upon what has come."""
        (self._latest or self.part(0)).text.append(mark)

    def texts(self) -> list[str]:
        """What was said, in parts, of which some are empty."""
        items = sorted(self.items.items())
        return [part.shown() for _, parts in items for _, part in sorted(parts.items())]
