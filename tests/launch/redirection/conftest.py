"""Has the tests of this folder run inside a network of their own; what they share."""

import json
import os
import pwd
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from . import inside
from .inside import Report

_FOLDER = Path(__file__).parent
_RAN = pytest.StashKey[dict[Path, tuple[dict[str, list[Report]], str]]]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Outside: gives the first of a file's tests the time that all of them take."""
    if not inside.reports_file() and _is_ours(item):
        item.add_marker(pytest.mark.timeout(600))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Outside: the first of a file's tests has all of them run inside. Reports one."""
    if inside.reports_file() or not _is_ours(item):
        return None
    config, hook = item.config, item.ihook
    ran = config.stash.setdefault(_RAN, {})
    if item.path not in ran:
        beside = (one.nodeid for one in item.session.items if one.path == item.path)
        ran[item.path] = inside.run(beside)
    reports, output = ran[item.path]
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for data in reports[item.nodeid]:
        report = config.hook.pytest_report_from_serializable(config=config, data=data)
        hook.pytest_runtest_logreport(report=report)
    if not reports[item.nodeid]:
        hook.pytest_runtest_logreport(report=_not_run(item, output))
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Inside: hands a report out."""
    report = yield
    path = inside.reports_file()
    if path:
        data = item.config.hook.pytest_report_to_serializable(config=item.config, report=report)
        with path.open("a") as file:
            file.write(json.dumps(data) + "\n")
    return report


def _is_ours(item: pytest.Item) -> bool:
    return item.path.is_relative_to(_FOLDER)


def _not_run(item: pytest.Item, output: str) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={},
        outcome="failed",
        longrepr=f"It has not run. What came from inside:\n{output}",
        when="call",
    )


@pytest.fixture(scope="session")
def user() -> str:
    """A user of this machine that runs nothing here."""
    found = pwd.getpwnam("daemon")
    if not inside.has_user(found.pw_uid):
        pytest.skip("only root can have another user in a network of its own")
    return found.pw_name


@pytest.fixture(scope="module", params=["nft", "iptables", "iptables-legacy"])
def tool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What --tool is given. There are two iptables, of which `iptables` is the one or the other."""
    name: str = request.param
    with pytest.MonkeyPatch.context() as patch:
        if name == "iptables-legacy":
            legacy = shutil.which("xtables-legacy-multi")
            if legacy is None:
                pytest.skip("this machine has no legacy iptables")
            folder = tmp_path_factory.mktemp("legacy")
            for command in ("iptables", "ip6tables"):
                for suffix in ("", "-save", "-restore"):
                    (folder / f"{command}{suffix}").symlink_to(legacy)
            patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield name.removesuffix("-legacy")
