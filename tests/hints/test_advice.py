"""What helps an app, as the log says it."""

import itertools

import pytest

from vast_intercept.hints.advice import Advice
from vast_intercept.hints.processes import Process

SERVE = Advice("vi", 8080)
RUN = Advice("vi", None)
JAIL = "vi run --jail --attach 8080 -- COMMAND"
WRAPPER = "vi run --attach 8080 -- COMMAND"

STRANGER = None
PLAIN = Process("app", 1)
GIVEN = Process("app", 1, has_our_ca=True)
CHROMIUM = Process("chromium", 1, has_our_ca=True)
JAILED = Process("vast-intercept", 1, jailed=True)


@pytest.mark.parametrize(
    ("process", "commands"),
    [
        (STRANGER, [f"{WRAPPER} (COMMAND is the app's own); if it was, with --jail before the --"]),
        (PLAIN, [WRAPPER]),
        (GIVEN, [JAIL, "against a pinned certificate"]),
        (JAILED, ["Chromium, --nss before the -- helps", "Nothing outside of other apps changes"]),
        (CHROMIUM, ["vi run --nss --attach 8080 -- COMMAND"]),
    ],
)
def test_of_an_app_that_refuses_the_ca(process: Process | None, commands: list[str]) -> None:
    for hint in (
        SERVE.does_not_trust("app", "host", process),
        SERVE.left_after_handshake("app", "host", process),
    ):
        assert all(command in hint for command in commands)
        if commands != [WRAPPER]:
            assert f"{WRAPPER} (COMMAND is the app's own)." not in hint


def test_no_hint_of_run_names_its_port() -> None:
    for process, advise in itertools.product(
        (STRANGER, PLAIN, GIVEN, JAILED), (RUN.does_not_trust, RUN.left_after_handshake)
    ):
        hint = advise("app", "host", process)
        assert "--attach" not in hint
        assert ("vi run --jail -- COMMAND" in hint) is (process is not JAILED)
    assert "vi run --jail -- COMMAND" in RUN.knows_no_proxy("app", 1234)
    assert "vi serve --mode reverse:" in RUN.calls_the_proxy("app", "http://x")
    assert "vi serve -p 8080 --mode reverse:" in SERVE.calls_the_proxy("app", "http://x")


def test_an_identity_is_one_for_all_processes_of_an_app() -> None:
    assert Process("app", 1).identity == Process("app", 2).identity
    assert Process("app", 1).identity != Process("app", 1, has_our_ca=True).identity
