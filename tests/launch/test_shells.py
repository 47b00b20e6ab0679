"""Variables in the words of shells: what real ones make of them."""

import itertools
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vast_intercept.certificates.trust_files import files_in
from vast_intercept.launch.shells import FORMATS
from vast_intercept.launch.variables import app_variables

#: All that is something to one shell or another, and a letter.
_SPECIAL = "'\"\\$` \n(é"
#: Each beside each: quotes are closed and opened, and what escapes is escaped.
EVERY_THREE = ["".join(three) for three in itertools.product(_SPECIAL, repeat=3)]
NASTY = [
    "",
    "-e",
    "~",
    "a b  c\t",
    "\n\n",
    "trailing newline\n",
    "trailing backslash\\",
    "\\\\'\\'",
    "it's $HOME ${HOME} $(id) `id` !! !1 %PATH% #no",
    "*?[a-z]{b,c}~;|&<>",
    "‘‚‛’ “„”",  # noqa: RUF001
    "\u2028\x85\x1b[0m\x7f\r",
    "日本語 \U0001f600",
]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))

#: How each is used, according to `vast-intercept env --help`. $0 is the file with what is printed.
SHELLS = {
    "sh": ("sh", ["sh", "-c", 'eval "$(cat "$0")"; exec env -0']),
    "dash": ("sh", ["dash", "-euc", 'eval "$(cat "$0")"; exec env -0']),
    "bash": ("sh", ["bash", "-euc", 'eval "$(cat "$0")"; exec env -0']),
    "posix bash": ("sh", ["bash", "--posix", "-c", '. "$0"; exec env -0']),
    "fish": ("fish", ["fish", "--no-config", "-c", "cat $argv[1] | source; exec env -0"]),
}


def given_back(shell: str, values: list[str], file: Path) -> list[str]:
    """The values that a process of the shell has, once it has evaluated what is printed."""
    form, command = SHELLS[shell]
    variables = {f"V{number}": value for number, value in enumerate(values)}
    file.write_text(f"{FORMATS[form](variables)}\n", "utf-8", newline="")
    done = subprocess.run(
        [*command, str(file)],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == b""
    found = dict(each.split("=", 1) for each in done.stdout.decode().split("\0") if each)
    return [found[name] for name in variables]


@pytest.mark.parametrize("shell", SHELLS)
class TestShells:
    def test_give_back_all_that_is_special_to_them(self, shell: str, tmp_path: Path) -> None:
        values = NASTY + EVERY_THREE
        assert given_back(shell, values, tmp_path / "printed") == values

    @settings(max_examples=15)
    @given(values=st.lists(TEXT, min_size=20))
    def test_give_back_any_text(
        self, shell: str, values: list[str], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        file = tmp_path_factory.getbasetemp() / "printed"
        assert given_back(shell, values, file) == values


def powershell_reads(line: str) -> str:
    """The value of `$env:A = '...'`, by the rules of about_Quoting_Rules.

    In single quotes everything stands for itself, but for the quote, of which two stand for one.
    Curly ones are quotes like the straight one.
    """
    quotes = "'\u2018\u2019\u201a\u201b"
    rest = iter(line.removeprefix("$env:A = '"))
    value = ""
    for character in rest:
        if character in quotes:
            following = next(rest, None)
            if following is None:
                return value
            assert following in quotes, f"the string ends before its end: {line}"
        value += character
    raise AssertionError(f"the string does not end: {line}")


class TestPowerShell:
    @pytest.mark.parametrize(
        ("value", "line"),
        [
            (r"C:\Users\me\.mitmproxy", r"$env:A = 'C:\Users\me\.mitmproxy'"),
            ("C:\\Program Files\\x\\", "$env:A = 'C:\\Program Files\\x\\'"),
            ("$env:HOME $(x) `n", "$env:A = '$env:HOME $(x) `n'"),
            ('say "hi"', "$env:A = 'say \"hi\"'"),
            ("it's", "$env:A = 'it''s'"),
            ("''", "$env:A = ''''''"),
            ("it\u2019s", "$env:A = 'it\u2019\u2019s'"),
            ("a;b|c&d#e@(f)", "$env:A = 'a;b|c&d#e@(f)'"),
        ],
    )
    def test_quotes_are_doubled_and_nothing_else(self, value: str, line: str) -> None:
        assert FORMATS["powershell"]({"A": value}) == line

    @given(TEXT)
    def test_reads_any_text(self, value: str) -> None:
        assert powershell_reads(FORMATS["powershell"]({"A": value})) == value

    def test_reads_all_that_is_special(self) -> None:
        for value in NASTY + EVERY_THREE:
            assert powershell_reads(FORMATS["powershell"]({"A": value})) == value


class TestDotenv:
    @pytest.mark.parametrize(
        "folder", ["/home/me/.mitmproxy", "/some where", "/home/zoë/#1", "/it's/that's", "/a=b"]
    )
    def test_node_reads_what_is_printed(self, folder: str, tmp_path: Path) -> None:
        environ = {
            "no_proxy": "intranet,.corp.example",
            "JAVA_TOOL_OPTIONS": "-Xmx1g -Da='b c'",
            "PHP_INI_SCAN_DIR": "/mine",
        }
        files = files_in(Path(folder, "vast-intercept"))
        variables = app_variables("http://127.0.0.1:8080", files, environ)
        if "'" in folder:
            # Of two kinds of quotes in one value, Node's knows no way to have both.
            del variables["JAVA_TOOL_OPTIONS"]
        file = tmp_path / "vast.env"
        file.write_text(FORMATS["dotenv"](variables) + "\n")
        done = subprocess.run(
            ["node", f"--env-file={file}", "-p", "JSON.stringify(process.env)"],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert json.loads(done.stdout) == variables | {"PATH": os.environ["PATH"]}

    @pytest.mark.parametrize(
        ("value", "line"),
        [
            ("", 'A=""'),
            ("/plain", 'A="/plain"'),
            ("two words # and more", 'A="two words # and more"'),
            ("it's", 'A="it\'s"'),
            ('"', r'A="\""'),
            ("a$b", r'A="a\$b"'),
        ],
    )
    def test_what_is_special_to_compose_is_escaped(self, value: str, line: str) -> None:
        """It puts variables into what is in double quotes, but for what follows a backslash."""
        assert FORMATS["dotenv"]({"A": value}) == line


@pytest.mark.parametrize("form", FORMATS)
def test_each_variable_has_a_line_in_the_order_given(form: str) -> None:
    lines = FORMATS[form]({"B": "1", "A": "2"}).splitlines()
    assert len(lines) == 2
    assert "B" in lines[0]
    assert "A" in lines[1]


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_of_no_variables(form: str) -> None:
    assert FORMATS[form]({}) == ""
