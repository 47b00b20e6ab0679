"""docs/ways-in.md: every block of commands on it does what the page says, as it stands there."""

import json
import re
import shlex
import sysconfig

import pytest

from ..harness import PROJECT
from .machine import Machine
from .page import Section, sections

PAGE = (PROJECT / "docs" / "ways-in.md").read_text()
SECTIONS = sections(PAGE)
ANSWER = "You said: hello there\n"
SUMMARY = "vast-intercept: 1 call, 8 tokens, 0 refused, 0 errors\n"
OF_ALL = SUMMARY.rstrip() + " (all apps that use port 8080)\n"
#: Sections whose commands are run by other tests.
ELSEWHERE = {"Clients", "Transparent"}


@pytest.fixture
def section(request: pytest.FixtureRequest) -> Section:
    """The one that the test's class is about."""
    return SECTIONS[request.cls.heading]


def test_all_sections_are_tried() -> None:
    classes = [each for each in globals().values() if isinstance(each, type)]
    tried = {str(each.heading) for each in classes if hasattr(each, "heading")}
    assert tried | ELSEWHERE == set(SECTIONS)


class TestWrapper:
    heading = "Wrapper"

    def test_as_written(self, section: Section, machine: Machine) -> None:
        run, _ = section.commands
        assert machine.run(run) == ANSWER + SUMMARY
        assert len(machine.calls()) == 1
        # Nothing but the CA is left.
        left = [f"{machine.home}:", ".mitmproxy", f"{machine.temporary}:"]
        assert machine.run('ls -A "$HOME" "$TMPDIR"').split() == left

    def test_the_table_has_what_is_printed(self, section: Section, machine: Machine) -> None:
        _, dry_run = section.commands
        printed = machine.run(dry_run)
        assert printed.endswith("Nothing was started.\n")
        variables = set(re.findall(r"^export (\w+)=", printed, re.MULTILINE))
        table = "\n".join(line for line in section.text.splitlines() if line.startswith("|"))
        named = set(re.findall(r"`(\w+)`", table))
        assert named < variables
        assert len(variables - named) == 11
        assert "eleven more" in table
        assert machine.calls() == []


class TestJail:
    heading = "Jail"

    def test_as_written(self, section: Section, machine: Machine) -> None:
        for commands in section.commands:
            assert machine.run(commands) == ANSWER + SUMMARY
        assert len(machine.calls()) == 2

    def test_what_does_not_work(self, machine: Machine) -> None:
        script = f"""
            curl --silent --max-time 5 "https://[2001:db8::1]/" || echo "IPv6: $?"
            curl --silent --cacert {machine.folder}/cas.pem https://api.openai.com || echo "CA: $?"
        """
        printed = machine.run(f"vast-intercept run --jail -- sh -c {shlex.quote(script)}")
        assert "IPv6: 7\n" in printed  # "failed to connect to host"
        assert "CA: 60\n" in printed  # it is not trusted
        assert "refuses it all the same" in printed


class TestEnvironmentVariables:
    heading = "Environment variables"

    def test_as_written(self, section: Section, machine: Machine) -> None:
        serve, use, others = section.commands
        with machine.running(serve):
            assert machine.run(f'{use}\nexport -p >"$TMPDIR/variables"') == ANSWER
            shell, command = machine.run(others).split(" errors", 1)
            assert shell.startswith("vast-intercept: 0 calls")
            assert command.endswith(ANSWER + OF_ALL)
        assert len(machine.calls()) == 2
        # Once it is stopped, what has the variables reaches nothing.
        curl = "curl --silent https://elsewhere.example/ || echo $?"
        printed = machine.run(f'. "$TMPDIR/variables"; rm "$TMPDIR/variables"; {curl}')
        assert printed == "7\n"  # "failed to connect to host"


class TestReverseProxy:
    heading = "Reverse proxy"

    def test_as_written(self, section: Section, machine: Machine) -> None:
        serve, use, _ = section.commands
        with machine.running(serve):
            assert machine.run(use) == ANSWER
            # And over HTTPS, for those who trust the CA.
            curl = "curl --silent https://127.0.0.1:8080/v1/models"
            ca = f"{machine.home}/.mitmproxy/mitmproxy-ca-cert.pem"
            assert json.loads(machine.run(f"{curl} --cacert {ca}"))["object"] == "list"
            assert machine.run(f"{curl} || echo $?") == "60\n"
        assert len(machine.calls()) == 1

    def test_beside_the_other_kind_as_written(self, section: Section, machine: Machine) -> None:
        _, _, serve = section.commands
        with machine.running(serve, port=8081):
            url = "http://127.0.0.1:8081/v1/models"
            assert json.loads(machine.run(f"curl --silent {url}"))["object"] == "list"
            assert machine.run("vast-intercept run -q --attach 8080 -- python legacy.py") == ANSWER


class TestDockerAndCompose:
    heading = "Docker and Compose"

    def test_as_written(self, section: Section, machine: Machine) -> None:
        (run,) = section.commands
        with machine.running("./scripts/serve"):
            assert machine.run(run) == ANSWER
        assert len(machine.calls()) == 1


class TestSystemdService:
    heading = "systemd service"

    LEGACY = """
cat >/etc/systemd/system/legacy.service <<END
[Service]
Type=oneshot
ExecStart=$TEST_PYTHON $PWD/legacy.py
END
"""
    # Beside the project itself, the packages of this environment will do.
    PACKAGES = f"/opt/vast-intercept/lib/python{sysconfig.get_python_version()}/site-packages"
    STREAM = (
        "vast-intercept run -q --attach 8080 -- curl --silent --no-buffer"
        ' --json \'{"prompt": "x", "stream": true, "standin": {"gate": "slow", "chunks": 1}}\''
        " https://api.openai.com/v1/completions"
    )

    def test_as_written(self, section: Section, machine: Machine) -> None:
        program, service, by_users, by_services, undo = section.commands
        ours = sysconfig.get_path("purelib")
        pip = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": ours}
        machine.run(program, {**machine.environ, **pip})
        machine.run(f"echo {ours} >{self.PACKAGES}/of-the-tests.pth")
        machine.run(self.LEGACY)
        machine.run(service)
        machine.wait_for_port()
        assert machine.run(by_users) == ANSWER + OF_ALL
        machine.run(by_services)
        assert machine.run("cat /run/legacy.log") == ANSWER
        assert len(machine.calls()) == 2
        self.stops_well(machine)
        machine.run(undo)
        left = (
            "find /etc /opt /run /var/lib -path '*vast-intercept*' -not -path '/run/credentials/*'"
        )
        assert machine.run(left) == "/run/vast-intercept.log\n"

    def stops_well(self, machine: Machine) -> None:
        """A call that runs may end, and then the service does."""
        app = machine.start(self.STREAM)
        app.wait_for("data: ")
        stopping = machine.start("sudo systemctl stop vast-intercept")
        log = "until grep 'Shutting down: 1' /run/vast-intercept.log; do sleep 0.1; done"
        machine.run(log)
        assert stopping.process.poll() is None
        gate = "curl --silent --insecure --request POST https://openai.vast.ai/_standin/gates/slow"
        machine.run("\n".join([gate] * 5))
        assert stopping.process.wait(10) == 0
        app.wait_for(r"data: \[DONE\]")
        app.stop()
        stopping.stop()
