"""The house that docs/design.md draws: which room imports which, and how large things may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
ADDON = PROJECT / "addon"
PACKAGE = "vast_intercept"

#: Each room may import those to its right, and what stands by itself (`ROOT`).
ROOMS = [
    "cli",
    "rehearsal",
    "diagnosis",
    "launch",
    "engine",
    "intercept",
    "hints",
    "dashboard",
    "mitmweb",
    "telemetry",
    "relay",
    "certificates",
    "config",
    "listed_operations",
    "bridges",
    "vast_api",
    "mitm",
    "openai_api",
]
#: Modules that everybody may import, and that import only each other.
ROOT = {
    "addresses",
    "bounded",
    "descriptors",
    "repeating",
    "secret",
    "shut_down_models",
    "status",
    "urls",
    "warn_once",
}
#: Rooms of the relay, which may import those to their right.
RELAY = ["serving", "retrying", "upstreams"]

LONGEST_FILE = 350
LONGEST_FUNCTION = 60
LONGEST_HOOK = 20


def _modules() -> dict[str, Path]:
    found = {}
    for path in ADDON.rglob("*.py"):
        name = ".".join(path.relative_to(ADDON).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = _modules()


def _imports(module: str) -> Iterator[str]:
    """The modules that a module imports, ours by their full names."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ""
            if node.level:
                parts = package.split(".")
                base = ".".join(parts[: len(parts) - node.level + 1])
            source = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                full = f"{source}.{alias.name}"
                ours = source.partition(".")[0] == PACKAGE
                yield source if ours and full not in MODULES else full


def _room(module: str) -> str:
    """The room of one of our modules; empty for what is none, or the package itself."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == PACKAGE else ""


def _functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield module, node


def test_each_module_is_in_a_room_that_is_known() -> None:
    rooms = {_room(module) for module in MODULES} - {"", "script"}
    assert rooms == {*ROOMS, *ROOT, "standin"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_is_below_it(room: str) -> None:
    below = {room, *ROOMS[ROOMS.index(room) + 1 :], *ROOT, ""}
    wrong = [
        f"{module} imports {imported}"
        for module in MODULES
        if _room(module) == room
        for imported in _imports(module)
        if _room(imported) not in below
    ]
    assert not wrong


def test_what_everybody_imports_imports_no_room() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in MODULES
        if _room(module) in ROOT
        for imported in _imports(module)
        if _room(imported) not in {*ROOT, ""}
    ]
    assert not wrong


def test_one_place_knows_aiohttps_client_and_nothing_of_mitmproxy_is_beside_it() -> None:
    knowing = {
        module
        for module in MODULES
        if _room(module) != "standin"
        for imported in _imports(module)
        if imported.partition(".")[0] == "aiohttp"
        if not imported.startswith(("aiohttp.web", "aiohttp.http_exceptions"))
    }
    serving = {
        module
        for module in MODULES
        for imported in _imports(module)
        if imported.partition(".")[0] == "aiohttp" and _room(module) != "standin"
    }
    with_mitmproxy = {
        module
        for module in MODULES
        for imported in _imports(module)
        if imported.partition(".")[0] == "mitmproxy"
    }
    assert {module for module in knowing if f"{PACKAGE}.relay.http_client" not in module} == set()
    assert not serving & with_mitmproxy
    assert not {module for module in with_mitmproxy if _room(module) == "relay"}


@pytest.mark.parametrize("room", RELAY)
def test_a_room_of_the_relay_imports_only_what_is_below_it(room: str) -> None:
    above = RELAY[: RELAY.index(room)]
    wrong = [
        f"{module} imports {imported}"
        for module in MODULES
        if module.startswith(f"{PACKAGE}.relay.{room}.")
        for imported in _imports(module)
        if any(imported.startswith(f"{PACKAGE}.relay.{each}") for each in above)
    ]
    assert not wrong


def test_no_file_is_long() -> None:
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: many for module, many in lines.items() if many > LONGEST_FILE} == {}


def test_no_function_is_long() -> None:
    long = {
        f"{module}.{function.name}": many
        for module, function in _functions()
        if (many := _lines(function)) > LONGEST_FUNCTION
    }
    assert long == {}


def test_no_hook_is_long() -> None:
    from mitmproxy.hooks import all_hooks  # noqa: PLC0415

    long = {
        f"{module}.{function.name}": many
        for module, function in _functions()
        if function.name in all_hooks
        and _takes_part(function)
        and (many := _lines(function)) > LONGEST_HOOK
    }
    assert long == {}


def _takes_part(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return bool(function.args.args) and function.args.args[0].arg == "self"


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno
    return function.end_lineno - function.lineno + 1


def test_each_package_says_what_lives_in_it() -> None:
    silent = {
        module: lines
        for module, path in MODULES.items()
        if path.name == "__init__.py" and module != PACKAGE
        if not 3 <= (lines := _docstring_lines(path)) <= 12
    }
    assert silent == {}


def _docstring_lines(path: Path) -> int:
    return len((ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines())
