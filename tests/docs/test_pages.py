"""All pages: links lead somewhere, examples are valid, lists agree with the program."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from vast_intercept.cli.rehearse import rehearse
from vast_intercept.config import load_config
from vast_intercept.diagnosis.listed_calls import TRIALS
from vast_intercept.openai_api.operations import LISTED
from vast_intercept.rehearsal.comparison.measures import Measure
from vast_intercept.rehearsal.report.as_json import as_object

from ..diagnosis.conftest import STEPS
from ..harness import PROJECT
from ..rehearsal.report import made
from .page import anchors, blocks, links

README = PROJECT / "README.md"
DOCS = PROJECT / "docs"
PAGES = [README, PROJECT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text("utf-8")), target


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 150


def test_the_readme_links_to_every_page() -> None:
    linked = {
        (PROJECT / target.partition("#")[0]).resolve() for target in links(README.read_text())
    }
    assert set(DOCS.glob("*.md")) <= linked


@pytest.mark.parametrize("page", [README, DOCS / "configuration.md"], ids=lambda page: page.name)
def test_the_example_of_a_configuration_is_valid(page: Path, tmp_path: Path) -> None:
    text, *_ = blocks(page.read_text("utf-8"), "yaml")
    file = tmp_path / "vast.yaml"
    file.write_text(text)
    key = tmp_path / ".config" / "vast" / "key"
    key.parent.mkdir(parents=True)
    key.write_text("vast-0123456789")
    file.write_text(text.replace("~", str(tmp_path)))
    config = load_config(file, {})
    assert config.warnings == ()
    names = [
        [each.name for each in config.destinations_for(model)]
        for model in ("gpt-4o", "gpt-3.5-turbo")
    ]
    assert names == [["big-one", "my-endpoint", "provider"], ["my-endpoint"]]


def test_the_page_shows_how_all_that_workers_can_is_served(tmp_path: Path) -> None:
    page = (DOCS / "serverless.md").read_text("utf-8")
    (text,) = blocks(page, "yaml")
    file = tmp_path / "vast.yaml"
    file.write_text(text)
    config = load_config(file, {"VAST_API_KEY": "vast-0123456789"})
    assert config.warnings == ()
    assert all(map(config.serves_anywhere, LISTED))
    assert [each.name for each in config.destinations_for("gpt-4o-mini")] == ["vlm"]
    table = page.partition("| for |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([a-z/]+)` \| `/v1/([a-z/]+)` \|", table, re.MULTILINE)
    assert {serves for serves, _ in rows} == LISTED
    assert all(serves == route for serves, route in rows)


def test_what_is_run_is_run_elsewhere_as_well() -> None:
    """The tests of the README and of docs/ways-in.md run these commands."""
    pages = [README, DOCS / "ways-in.md"]
    tried = {line for page in pages for line in lines(page)}
    assert lines(DOCS / "running.md") - tried == set()


def test_a_key_s_hash_is_made_as_the_page_says() -> None:
    page = (DOCS / "configuration.md").read_text("utf-8")
    (command,) = blocks(page, "sh")
    environ = {**os.environ, "KEY": "foo"}
    printed = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, check=True)
    digest, _ = printed.stdout.decode().split()
    assert f"sha256: {digest}" in page


def lines(page: Path) -> set[str]:
    """All lines of a page's commands."""
    return {line for text in blocks(page.read_text("utf-8"), "sh") for line in text.splitlines()}


def test_continuous_integration_installs_the_packages_that_are_listed() -> None:
    (command,) = [
        text
        for text in blocks((DOCS / "development.md").read_text("utf-8"), "sh")
        if text.startswith("apt-get install")
    ]
    listed = command.replace("\\\n", " ").split()[2:]
    script = (PROJECT / ".ci" / "run").read_text("utf-8")
    variables = dict(re.findall(r'^(needed|libraries)="(.+?)"', script, re.MULTILINE | re.DOTALL))
    installed = [pair.partition(":")[2] for pair in variables["needed"].split()]
    installed += variables["libraries"].split()
    installed += re.findall(r"missing\+=\(([a-z-]+)\)", script)
    assert set(listed) == set(installed)
    assert len(listed) == len(set(listed))


def test_every_step_of_the_check_is_explained() -> None:
    page = (DOCS / "check.md").read_text("utf-8")
    table = page.partition("| step |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    named = [name for cell in cells for name in cell.replace("`", "").split(", ")]
    more = ("messages_call", *(trial.name for trial in TRIALS.values()), "vision_call")
    assert named == [step.replace("_", " ") for step in (*STEPS, *more)]


def test_every_option_of_a_rehearsal_and_every_measure_is_explained() -> None:
    page = (DOCS / "rehearsing.md").read_text("utf-8")
    options = page.partition("| option |")[2].partition("\n\n")[0]
    given = {name for parameter in rehearse.params for name in parameter.opts} - {"file"}
    assert set(re.findall(r"`(--[a-z-]+)", options)) == given
    measures = page.partition("| measure |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| [^|`]+ \| `([a-z_]+)` \|", measures, re.MULTILINE) == list(Measure)


def test_every_member_of_a_rehearsal_s_report_is_explained() -> None:
    page = (DOCS / "rehearsing.md").read_text("utf-8")
    table = page.partition("| member |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    named = {name for cell in cells for name in cell.replace("`", "").split(", ")}
    with made.collected(made.of_all_kinds()) as collected:
        assert named == {*as_object(made.rehearsal(collected)), "calls"}


def test_every_script_is_explained() -> None:
    page = (DOCS / "development.md").read_text("utf-8")
    named = set(re.findall(r"^\| `\./scripts/(\w+)`", page, re.MULTILINE))
    scripts = {
        path.name
        for path in (PROJECT / "scripts").iterdir()
        if path.is_file() and not path.suffix and not path.name.startswith("_")
    }
    assert named | {"transparent"} == scripts  # docs/ways-in.md has the latter
