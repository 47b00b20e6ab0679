"""What is wrong with an option of `rehearse` is told before anything is done."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from vast_intercept.cli.rehearse import rehearse


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a recording that nothing is to be made of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls.jsonl").write_text('{"model": "m", "messages": []}\n')
    (tmp_path / "prices.yaml").write_text("prices:\n  openai:\n    gpt-4o: {input: -1}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fail-under", "sevred=1"], "'sevred' is not a measure. A gate is"),
        (["--fail-under", ""], "'' is not a gate"),
        (["--fail-under", "json=2"], "json: '2' is not a share from 0 to 1"),
        (["--per-hour", "-1"], "--per-hour: '-1' is not a price"),
        (["--per-hour", ""], "--per-hour: '' is not a price"),
        (["--judge", ""], "--judge: '' cannot be the name of an endpoint."),
        (["--judge", "../x"], "--judge: '../x' cannot be the name"),
        (["--prices", "prices.yaml"], "prices.yaml, line 3: prices.openai.gpt-4o.input: '-1'"),
        (["--prices", "none.yaml"], "none.yaml: cannot be read: No such file"),
    ],
)
def test_it_exits_with_2_and_writes_nothing(folder: Path, options: list[str], said: str) -> None:
    before = set(folder.iterdir())
    ran = CliRunner().invoke(rehearse, ["calls.jsonl", "--yes", *options])
    assert ran.exit_code == 2
    assert said in ran.stderr
    assert ran.stdout == ""
    assert set(folder.iterdir()) == before
