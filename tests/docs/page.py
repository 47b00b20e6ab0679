"""A page of the documentation as text: its sections, links and blocks of code. Pure."""

import re
from dataclasses import dataclass
from textwrap import dedent

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_ANY_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)]+)\)")
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """What is below a heading."""

    heading: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its blocks of commands, as they stand."""
        return blocks(self.text, "sh")


def blocks(page: str, language: str) -> list[str]:
    """Blocks of code in a language, as they stand."""
    return [dedent(text) for _, kind, text in _BLOCK.findall(page) if kind == language]


def links(page: str) -> list[str]:
    """Where links lead within the project: a path, an anchor, or both."""
    return [target for target in _LINK.findall(page) if "://" not in target]


def anchors(page: str) -> set[str]:
    """What a link can name behind `#`, as GitHub makes it of headings."""
    prose = _BLOCK.sub("", page)
    return {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in _ANY_HEADING.findall(prose)
    }


def sections(page: str) -> dict[str, Section]:
    """The page's sections, by their headings."""
    _, *parts = _HEADING.split(page)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {heading: Section(heading, text) for heading, text in pairs}
