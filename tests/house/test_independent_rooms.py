"""What the pure rooms import, and what the stand-in imports, which has a reading of its own."""

import ast
from pathlib import Path

import pytest

from ..harness import PROJECT

ADDON = PROJECT / "addon"
HOUSE = ADDON / "vast_intercept"
ROOT_MODULES = {path.stem for path in HOUSE.glob("*.py")}

#: By the folder: what its modules may import of the house, beside modules of its own.
ALLOWED = {
    "openai_api": set(),
    "vast_api": {"openai_api"} | ROOT_MODULES,
    "standin": set(),
    "standin/mischief": {"standin/answering", "standin/waiting"},
    "standin/model_server": {"standin/answering", "standin/mischief"},
}
#: What does I/O. The pure rooms do without.
IO = {"aiohttp", "asyncio", "http", "mitmproxy", "requests", "socket", "ssl", "subprocess"}


def imports_of(path: Path) -> set[str]:
    """The modules that a file imports, as dotted names from the top."""
    package = path.relative_to(ADDON).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = [*start, *(node.module or "").split(".")]
            base = ".".join(part for part in module if part)
            # `from . import name` may be a module, and may be what a module has.
            found |= {f"{base}.{name.name}" for name in node.names}
    return found


def of_the_house(path: Path) -> set[str]:
    """What a file imports of the house, as paths below it."""
    own = [name for name in imports_of(path) if name.startswith("vast_intercept.")]
    return {name.removeprefix("vast_intercept.").replace(".", "/") for name in own}


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_is_below_it(room: str) -> None:
    files = list((HOUSE / room).rglob("*.py"))
    assert files
    allowed = {room, *ALLOWED[room]} - ({"standin"} if room != "standin" else set())
    for file in files:
        for imported in of_the_house(file):
            assert any(f"{imported}/".startswith(f"{each}/") for each in allowed) or (
                imported == "__version__"
            ), f"{file.relative_to(HOUSE)} imports {imported}"


def test_no_room_imports_the_stand_in() -> None:
    for file in HOUSE.rglob("*.py"):
        if "standin" not in file.relative_to(HOUSE).parts:
            assert not any(name.startswith("standin") for name in of_the_house(file)), file


@pytest.mark.parametrize("room", ["openai_api", "vast_api"])
def test_protocols_do_no_io(room: str) -> None:
    for file in (HOUSE / room).rglob("*.py"):
        assert not {name.partition(".")[0] for name in imports_of(file)} & IO, file
