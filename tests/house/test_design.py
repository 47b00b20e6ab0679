"""docs/design.md: the files, folders and rooms that it names are there."""

import ast
import re

from ..docs.page import sections
from ..harness import PROJECT

PACKAGE = PROJECT / "addon" / "vast_intercept"
DOCS = PROJECT / "docs"
PAGE = (DOCS / "design.md").read_text("utf-8")
SECTIONS = sections(PAGE)
#: A file with a suffix, or a folder with a slash at its end: `relay/call.py`, `relay/serving/`.
_PATH = re.compile(r"(?<![\w./-])((?:\w+/)+(?!\w)|(?:\w+/)*\w+\.(?:py|yaml|md|js|css))(?![\w-])")
_WITHOUT_SUFFIX = re.compile(r"`((?:\w+/)+\w+)`")


def paths(text: str) -> set[str]:
    """What a text names of the project's files and folders."""
    return {*_PATH.findall(text), *_WITHOUT_SUFFIX.findall(text)}


def exists(path: str) -> bool:
    """A path begins in the package, in the project, or beside the page."""
    found = [base / path for base in (PACKAGE, PROJECT, DOCS) if (base / path).exists()]
    return any(each.is_dir() == path.endswith("/") for each in found)


def rooms() -> set[str]:
    """The packages directly below `vast_intercept`, as the page writes them."""
    return {f"{init.parent.name}/" for init in PACKAGE.glob("*/__init__.py")}


def test_all_that_is_named_is_there() -> None:
    named = paths(PAGE)
    assert len(named) > 60
    assert {path for path in named if not exists(path)} == set()


def test_each_room_is_named_and_so_is_what_every_room_may_import() -> None:
    drawn = paths(SECTIONS["Rooms"].text)
    assert rooms() - drawn == set()
    shared = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "script.py"}
    assert shared - drawn == set()


def test_the_walk_names_the_files_of_each_step() -> None:
    steps = re.split(
        r"^\d+\. ", SECTIONS["A call, from the app's bytes to the report"].text, flags=re.MULTILINE
    )
    assert len(steps) > 10
    assert [step for step in steps[1:] if not paths(step)] == []


def test_a_reader_finds_where_to_change_what() -> None:
    table = SECTIONS["I want to change X"].text.strip().splitlines()
    rows = [line.strip("|").split("|") for line in table[2:]]
    assert len(rows) >= 20
    assert [what for what, where in rows if not paths(where)] == []


def test_the_modules_that_packages_name_are_there() -> None:
    """The first lines of each `__init__.py`, which name modules of the package and rooms."""
    wrong = [
        f"{init.parent.relative_to(PACKAGE)}: {path}"
        for init in PACKAGE.rglob("__init__.py")
        for path in paths(ast.get_docstring(ast.parse(init.read_text("utf-8"))) or "")
        if not (init.parent / path).exists() and not exists(path)
    ]
    assert wrong == []


def test_paths_are_told_from_other_words() -> None:
    """The test of the tests: what would be missed would not be checked."""
    text = "`a/b.py`, c.yaml and `d/e/` or `scripts/f`; https://g.example/h.py, 1/2, `i.j`"
    assert paths(text) == {"a/b.py", "c.yaml", "d/e/", "scripts/f"}
    assert exists("relay/")
    assert not exists("relay")
    assert not exists("relay/nothing.py")
