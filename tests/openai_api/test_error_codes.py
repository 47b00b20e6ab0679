"""The codes of errors are spelled in one place, and explained on one page."""

import re

from vast_intercept.openai_api.error_codes import ErrorCode

from ..harness import PROJECT

CODES = {str(code) for code in ErrorCode}
PAGE = (PROJECT / "docs" / "errors.md").read_text("utf-8")


def test_the_documentation_explains_each_code() -> None:
    assert set(re.findall(r"`([a-z_]+)`", PAGE)) >= CODES


def test_the_documentation_has_no_other_code() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    assert len(tables) == 2
    for table in tables:
        head, _, *rows = (line.strip("|\n").split("|") for line in table.splitlines())
        column = [cell.strip() for cell in head].index("`code`")
        named = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row[column])}
        assert named
        assert named <= CODES
