"""`vast-intercept` by itself: what a newcomer reads first."""

from click.testing import CliRunner

from vast_intercept.cli.main import main


def test_what_each_command_does_is_a_whole_sentence() -> None:
    done = CliRunner().invoke(main, ["--help"], terminal_width=80)
    commands = done.stdout.partition("Commands:\n")[2].splitlines()
    assert len(commands) >= 9
    for line in commands:
        assert line.endswith(".")
        assert not line.endswith("...")
