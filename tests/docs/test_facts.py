"""docs/facts.md: what the code rests on, by numbers."""

import re

from ..harness import PROJECT

PAGE = (PROJECT / "docs" / "facts.md").read_text("utf-8")
PACKAGE = PROJECT / "addon" / "vast_intercept"
NUMBERS = re.findall(r"^\| ([A-Z]\d+) \|", PAGE, re.MULTILINE)
_CITED = re.compile(r"FACTS ([A-Z]\d+(?:(?:,| and| to) [A-Z]\d+)*)")


def cited(text: str) -> set[str]:
    """The numbers of facts in a text, such as "FACTS M6 and M32"."""
    return {number for group in _CITED.findall(text) for number in re.findall(r"[A-Z]\d+", group)}


def test_each_number_names_one_fact() -> None:
    assert len(NUMBERS) > 50
    assert len(NUMBERS) == len(set(NUMBERS))


def test_the_facts_that_the_code_and_the_pages_rest_on_are_there() -> None:
    folders = [PACKAGE.rglob("*.py"), (PROJECT / "docs").glob("*.md")]
    texts = [path.read_text("utf-8") for paths in folders for path in paths]
    assert cited("(FACTS M6 and M32), FACTS V2 to V8, FACTS C25") == {
        "M6",
        "M32",
        "V2",
        "V8",
        "C25",
    }
    assert set().union(*map(cited, texts)) - set(NUMBERS) == set()


def test_the_files_that_facts_name_are_there() -> None:
    """Those of the project: their first folder is a room. All others are mitmproxy's."""
    rooms = {init.parent.name for init in PACKAGE.glob("*/__init__.py")}
    named = set(re.findall(r"`((\w+)/[\w/]+\.\w+)`", PAGE))
    ours = {path for path, first in named if first in rooms}
    assert len(ours) > 3
    assert {path for path in ours if not (PACKAGE / path).exists()} == set()
