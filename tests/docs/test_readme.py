"""README.md: every block of commands on it does what the page says, as it stands there."""

from ..harness import PROJECT
from .machine import Machine
from .page import blocks

DEMO, KEYS, REHEARSE, RUN, SERVE, POINT, CHECK = blocks(
    (PROJECT / "README.md").read_text("utf-8"), "sh"
)
ANSWER = "You said: hello there\n"


def test_the_demo(machine: Machine) -> None:
    """With the two variables set, the calls go to one's own endpoint."""
    printed = machine.run(DEMO)
    assert "1. Vast itself, with the endpoint" in printed
    assert "3. An unchanged app" in printed
    assert len(machine.calls()) > 2


def test_the_variables_are_those_that_the_machine_has(machine: Machine) -> None:
    named = [line.split()[1].partition("=")[0] for line in KEYS.splitlines()]
    assert named == ["VAST_API_KEY", "VAST_ENDPOINT"]
    assert set(named) < set(machine.environ)


def test_whether_an_app_still_works(machine: Machine) -> None:
    """The app's provider answers while it is recorded, and Vast when that is rehearsed."""
    unasked = REHEARSE.replace("rehearse ", "rehearse --yes ")  # it asks on a terminal only
    with machine.provider("gpt-3.5-turbo"):
        printed = machine.run(unasked)
    assert printed.startswith(ANSWER)
    assert "1 call" in printed
    assert len(machine.calls()) == 1
    assert (machine.project / "calls.flows.html").exists()


def test_in_front_of_one_app(machine: Machine) -> None:
    printed = machine.run(RUN)
    assert printed.startswith(ANSWER)
    assert "1 call" in printed.splitlines()[-1]


def test_for_all_apps(machine: Machine) -> None:
    with machine.running(SERVE):
        assert machine.run(f"{POINT}\npython legacy.py").count(ANSWER) == 2
        assert len(machine.calls()) == 2
        # This machine has no console of Vast's, which is all that is wrong.
        printed = machine.start(CHECK)
        printed.wait_for("console.vast.ai")
        printed.stop()
