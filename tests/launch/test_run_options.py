"""What `run` makes of its options, without starting anything."""

from pathlib import Path

import pytest

from vast_intercept.launch.dry_run import chosen_later, planned
from vast_intercept.launch.run import RunOptions, arguments_for, explained
from vast_intercept.status import Tally

APP = RunOptions(command=["app"])


def test_an_interceptor_of_its_own_listens_on_this_machine_and_is_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    arguments = arguments_for(
        RunOptions(command=["app"], config="c.yaml", endpoint="mine", port=9000, settings=["a=b"])
    )
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    assert pairs == [
        ("--listen-host", "127.0.0.1"),
        ("--set", "vast_config=c.yaml"),
        ("--set", "vast_endpoint=mine"),
        ("-p", "9000"),
        ("--set", "termlog_verbosity=warn"),
        ("--set", "a=b"),
    ]
    monkeypatch.setenv("HTTPS_PROXY", "http://user:word@proxy.example:3128")
    arguments = arguments_for(APP)
    assert "upstream:http://proxy.example:3128" in arguments
    assert "upstream_auth=user:word" in arguments


@pytest.mark.parametrize(
    ("tally", "status", "options", "said"),
    [
        (Tally(calls=1), 0, APP, ""),
        (
            Tally(calls=1),
            0,
            RunOptions(command=["app"], attach=8080),
            "all apps that use port 8080",
        ),
        (Tally(), 0, APP, "put --jail in front"),
        (Tally(), 0, APP, "not OpenAI, name that under `providers` in the configuration"),
        (Tally(), 0, RunOptions(command=["app"], jail=True), ""),
        (Tally(), 256, APP, "ended with an error before a call"),
    ],
)
def test_what_goes_with_the_numbers(
    tally: Tally, status: int, options: RunOptions, said: str
) -> None:
    text = explained(tally, status, options)
    assert said in text
    assert bool(text) == bool(said)


def test_a_plan_unsets_what_holds_the_key(tmp_path: Path) -> None:
    config = tmp_path / "vast.yaml"
    config.write_text("vast: {api_key: 'env:MINE'}")
    options = RunOptions(command=["my app", "x"], config=str(config))
    lines = planned(options, {"MINE": "k", "OTHER": "k", "KEPT": "x"}).splitlines()
    assert lines[:2] == ["unset MINE", "unset OTHER"]
    assert "export https_proxy='http://127.0.0.1:PORT'" in lines
    assert lines[-1] == "'my app' x"
    assert chosen_later(options) == "PORT and FOLDER are chosen when it runs."


def test_a_plan_of_a_jail_names_no_proxy() -> None:
    options = RunOptions(command=["app"], jail=True)
    lines = planned(options, {"https_proxy": "http://proxy.example:3128"}).splitlines()
    assert lines[0] == "unset https_proxy"
    assert not [line for line in lines if "http://127.0.0.1" in line]
    assert chosen_later(options) == "FOLDER is chosen when it runs."
