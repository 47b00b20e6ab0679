"""Only mitm/ reaches beyond what mitmproxy documents: moving to another mitmproxy is that room."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..harness import PROJECT

PACKAGE = PROJECT / "addon" / "vast_intercept"
ROOM = PACKAGE / "mitm"
FILES = sorted(each for each in PACKAGE.rglob("*.py") if ROOM not in each.parents)

#: Those with a page in mitmproxy's API reference, and those that its guide to addons uses.
DOCUMENTED = {
    *("addonmanager", "certs", "connection", "contentviews", "coretypes.multidict", "dns"),
    *("flow", "http", "net.server_spec", "proxy.context", "proxy.layer", "proxy.mode_specs"),
    *("proxy.server_hooks", "tcp", "tls", "udp", "websocket"),
    *("command", "ctx", "exceptions", "flowfilter", "hooks", "options", "types"),
}

#: Names of mitmproxy's that no document promises, as attributes or asked for by `getattr`.
INSIDES = {
    *("active_flows", "chain", "collect_commands", "event_to_child", "flowmap", "get_connection"),
    *("handle_lifecycle", "invoke_addon", "invoke_addon_sync", "listen_addrs"),
    *("lookup", "max_conns", "maybe_rotate_to_new_file", "should_exit", "should_intercept"),
    *("trigger", "trigger_event", "transports", "view", "wait_for_resume"),
    *("__class__", "__post_init__", "_hash", "_servers", "_start_serving", "_legacy_log_events"),
}

ASKING = {"getattr", "hasattr", "setattr"}

#: What may be used of the master. The addon manager as a whole is handed to mitm/.
OF_THE_MASTER = {
    f"ctx.master.{name}" for name in ("shutdown", "commands", "commands.call", "addons")
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Each module of mitmproxy's that is imported, or of which a name is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            # `from mitmproxy import http` imports a module, `from mitmproxy.http import Request`
            # a name of one.
            packages = {"mitmproxy", "mitmproxy.proxy", "mitmproxy.net", "mitmproxy.coretypes"}
            names = [node.module]
            if node.module in packages:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "mitmproxy")


def reached(tree: ast.AST) -> Iterator[str]:
    """Each attribute that is read or set, but for those of the object itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        ):
            yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ASKING:
            values = [each.value for each in node.args if isinstance(each, ast.Constant)]
            yield from (value for value in values if isinstance(value, str))


def problems(source: str) -> list[str]:
    """What a module uses that is mitm/'s alone."""
    tree = ast.parse(source)
    found = [name for name in imported(tree) if name.partition(".")[2] not in DOCUMENTED]
    found += [name for name in reached(tree) if name in INSIDES]
    chains = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    found += [each for each in chains if each.startswith("ctx.master.")]
    return [each for each in found if each not in OF_THE_MASTER]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_what_is_documented_is_used_elsewhere(path: Path) -> None:
    assert problems(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "from mitmproxy.addons import save",
        "from mitmproxy.proxy.layers.http import HttpLayer",
        "from mitmproxy import log",
        "import mitmproxy.utils.human",
        "from mitmproxy import ctx\nctx.master.addons.get('save')",
        "from mitmproxy import ctx\nctx.master.should_exit.set()",
        "from mitmproxy import ctx\nctx.master.event_loop.stop()",
        "getattr(master, 'view', None)",
        "manager.__class__ = Faster",
        "flow.wait_for_resume = later",
    ],
)
def test_a_reach_is_noticed(source: str) -> None:
    assert problems(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "from mitmproxy import ctx, http\nctx.options.update(server=False)",
        "from mitmproxy.proxy.mode_specs import ProxyMode",
        "from mitmproxy import ctx\nctx.master.shutdown()",
        "from mitmproxy import ctx\nctx.master.commands.call('replay.client', [])",
        "class Own:\n    def see(self):\n        return self.view",
    ],
)
def test_what_is_documented_is_not(source: str) -> None:
    assert problems(source) == []


def test_the_room_imports_only_what_is_below_it() -> None:
    roots = {each.stem for each in PACKAGE.glob("*.py")}
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                assert {name.partition(".")[0] for name in names} <= {"openai_api", *roots}, path


def test_each_module_of_the_room_is_listed() -> None:
    text = (ROOM / "__init__.py").read_text("utf-8")
    listed = set(re.findall(r"\b\w+\.py\b", text))
    assert listed == {each.name for each in ROOM.glob("*.py")} - {"__init__.py"}
