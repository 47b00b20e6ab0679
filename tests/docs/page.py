"""A page of the documentation as text: its sections, and the commands in them. Pure."""

import re
from dataclasses import dataclass
from textwrap import dedent

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """What is below a heading."""

    heading: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its blocks of commands, as they stand."""
        return [dedent(text) for _, kind, text in _BLOCK.findall(self.text) if kind == "sh"]


def sections(page: str) -> dict[str, Section]:
    """The page's sections, by their headings."""
    _, *parts = _HEADING.split(page)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {heading: Section(heading, text) for heading, text in pairs}
