"""The codes of errors are spelled in one place, and explained on one page."""

import ast
import re
from pathlib import Path

from vast_intercept.openai_api.error_codes import ErrorCode

from ..harness import PROJECT

CODES = {str(code) for code in ErrorCode}
PAGE = (PROJECT / "docs" / "errors.md").read_text("utf-8")


def test_the_documentation_explains_each_code() -> None:
    assert set(re.findall(r"`([a-z_]+)`", PAGE)) >= CODES


def test_the_documentation_has_no_other_code() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        head, _, *rows = (line.strip("|\n").split("|") for line in table.splitlines())
        column = [cell.strip() for cell in head].index("`code`")
        named = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row[column])}
        assert named
        assert named <= CODES


#: Words that mean other things as well: types of errors (also of Anthropic), and metadata.
AMBIGUOUS = {"server_error", "conflict", "not_found", "request_too_large"}


def spelled_in(file: Path) -> list[str]:
    """The codes that are spelled in a file, with their lines."""
    return [
        f"{file}:{node.lineno}: {node.value}"
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in CODES - AMBIGUOUS
    ]


def test_codes_are_spelled_nowhere_else() -> None:
    house = PROJECT / "addon" / "vast_intercept"
    spelled = {
        file.name: found
        for file in house.rglob("*.py")
        if "standin" not in file.relative_to(house).parts and (found := spelled_in(file))
    }
    assert not spelled
