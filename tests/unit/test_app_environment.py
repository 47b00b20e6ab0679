"""Variables for apps, in the words of shells; and the proxy that is there already."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.launch.environment import (
    CA_VARIABLES,
    PROXY_VARIABLES,
    app_variables,
    bundle_variables,
    without_proxies,
    without_vast_key,
)
from vast_intercept.launch.shells import FORMATS
from vast_intercept.launch.trust import files_in
from vast_intercept.launch.upstream import NamedProxy, UpstreamProxyError, named_proxy
from vast_intercept.status import Tally

PROXY = "http://127.0.0.1:8080"
FILES = files_in(Path("/some where/vast"))

NASTY = [
    "",
    "plain",
    "two words",
    "it's",
    'say "hi"',
    "back\\slash",
    "\\'",
    "$HOME `id` $(id) %PATH%",
    "trailing\\",
    "line\nbreak",
    "ünïcödé ‘curly’",  # noqa: RUF001
    "*?[a]{b,c}~;|&<>()#!",
]


class TestVariables:
    def test_all_that_the_facts_name_are_there(self) -> None:
        variables = app_variables(PROXY, FILES, {})
        for name in (
            *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"),
            *("GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "DENO_CERT", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"),
            *("PIP_CERT", "CARGO_HTTP_CAINFO"),
        ):
            assert variables[name] == "/some where/vast/ca-bundle.pem"
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "grpc_proxy"):
            assert variables[name] == PROXY
        assert variables["NODE_USE_ENV_PROXY"] == "1"
        assert set(variables) == {
            *(*CA_VARIABLES, *PROXY_VARIABLES, "NODE_USE_ENV_PROXY"),
            *("JAVA_TOOL_OPTIONS", "WGETRC", "PHP_INI_SCAN_DIR"),
        }

    def test_javas_own_come_first_and_blanks_are_quoted(self) -> None:
        options = app_variables(PROXY, FILES, {"JAVA_TOOL_OPTIONS": "-Dmine=1"})[
            "JAVA_TOOL_OPTIONS"
        ]
        assert shlex.split(options) == [
            "-Dmine=1",
            "-Dhttp.proxyHost=127.0.0.1",
            "-Dhttp.proxyPort=8080",
            "-Dhttps.proxyHost=127.0.0.1",
            "-Dhttps.proxyPort=8080",
            "-Djavax.net.ssl.trustStore=/some where/vast/truststore.p12",
        ]

    @pytest.mark.parametrize(
        ("no_proxy", "hosts"),
        [
            ("intranet", "localhost|127.*|[::1]|intranet"),
            (".corp.example, other", "localhost|127.*|[::1]|*.corp.example|other"),
            ("localhost,10.0.0.0/8", "localhost|127.*|[::1]"),
        ],
    )
    def test_no_proxy_is_javas_too(self, no_proxy: str, hosts: str) -> None:
        variables = app_variables(PROXY, FILES, {"no_proxy": no_proxy})
        assert "no_proxy" not in variables
        assert f"-Dhttp.nonProxyHosts={hosts}" in shlex.split(variables["JAVA_TOOL_OPTIONS"])

    def test_php_keeps_its_own_folders(self) -> None:
        assert bundle_variables(FILES, {})["PHP_INI_SCAN_DIR"] == ":/some where/vast/php"
        mine = bundle_variables(FILES, {"PHP_INI_SCAN_DIR": "/mine"})
        assert mine["PHP_INI_SCAN_DIR"] == "/mine:/some where/vast/php"

    def test_twice_is_as_once(self) -> None:
        once = app_variables(PROXY, FILES, {"JAVA_TOOL_OPTIONS": "-Dmine=1"})
        assert app_variables(PROXY, FILES, once) == once

    def test_the_key_is_not_for_the_app(self) -> None:
        assert without_vast_key({"VAST_API_KEY": "x", "VAST_ENDPOINT": "e"}) == {
            "VAST_ENDPOINT": "e"
        }

    def test_a_jail_has_no_proxy(self) -> None:
        environ = dict.fromkeys(["HTTPS_PROXY", "http_proxy", "All_Proxy", "no_proxy", "PATH"], "x")
        assert without_proxies(environ) == {"PATH": "x"}


class TestShells:
    @pytest.mark.parametrize("shell", ["sh", "bash"])
    @given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
    def test_posix_shells_give_back_what_was_meant(self, shell: str, values: list[str]) -> None:
        _check_shell([shell, "-c"], "sh", [*NASTY, *values])

    def test_fish_does_too(self) -> None:
        _check_shell(["fish", "--no-config", "-c"], "fish", NASTY)

    @pytest.mark.parametrize(
        ("value", "line"),
        [
            ("plain", "$env:A = 'plain'"),
            ("it's", "$env:A = 'it''s'"),
            ("‘curly’", "$env:A = '‘‘curly’’'"),  # noqa: RUF001
            ("$HOME `", "$env:A = '$HOME `'"),
        ],
    )
    def test_powershell_by_its_rules(self, value: str, line: str) -> None:
        """about_Quoting_Rules: within single quotes, only the quote is special, and doubled."""
        assert FORMATS["powershell"]({"A": value}) == line

    @pytest.mark.parametrize(
        ("value", "line"),
        [("two words", 'A="two words"'), ('"\\$`', r'A="\"\\\$\`"')],
    )
    def test_dotenv(self, value: str, line: str) -> None:
        assert FORMATS["dotenv"]({"A": value}) == line


def _check_shell(shell: list[str], form: str, values: list[str]) -> None:
    variables = {f"V{number}": value for number, value in enumerate(values)}
    script = FORMATS[form](variables) + "\nenv -0"
    done = subprocess.run(
        [*shell, script],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    set_by_it = dict(each.split("=", 1) for each in done.stdout.decode().split("\0") if each)
    assert {name: set_by_it[name] for name in variables} == variables


class TestNamedProxy:
    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            ({}, None),
            ({"https_proxy": ""}, None),
            ({"http_proxy": "http://a:1"}, None),
            ({"https_proxy": "http://a:1"}, NamedProxy("https_proxy", "http://a:1")),
            ({"HTTPS_PROXY": "a:1"}, NamedProxy("HTTPS_PROXY", "http://a:1")),
            ({"HTTPS_PROXY": "http://a"}, NamedProxy("HTTPS_PROXY", "http://a:80")),
            ({"HTTPS_PROXY": "https://a/"}, NamedProxy("HTTPS_PROXY", "https://a:443")),
            ({"all_proxy": "http://[::1]:9"}, NamedProxy("all_proxy", "http://[::1]:9")),
            (
                {"https_proxy": "http://me:p%40ss%3A@a:1", "ALL_PROXY": "http://b:2"},
                NamedProxy("https_proxy", "http://a:1", "me:p@ss:"),
            ),
        ],
    )
    def test_is_read(self, environ: dict[str, str], expected: NamedProxy | None) -> None:
        assert named_proxy(environ) == expected

    @pytest.mark.parametrize(
        "value", ["socks5://me:secret@a:1", "http://me:secret@:1", "http://me:secret@a:99999"]
    )
    def test_what_cannot_be_used_is_told_without_its_password(self, value: str) -> None:
        with pytest.raises(UpstreamProxyError) as error:
            named_proxy({"https_proxy": value})
        assert "https_proxy" in str(error.value)
        assert "secret" not in str(error.value)


class TestTally:
    @pytest.mark.parametrize(
        ("tally", "text"),
        [
            (Tally(), "0 calls, 0 tokens, 0 refused, 0 errors"),
            (
                Tally(calls=1, tokens=1, errors=1),
                "1 call, 1 token, 0 refused, 1 error",
            ),
            (
                Tally(calls=1234, tokens=56789, refused=2, uncounted=1, running=3),
                (
                    "1,234 calls, 56,789 tokens (1 answer did not say), 2 refused, 0 errors,"
                    " 3 still running"
                ),
            ),
        ],
    )
    def test_text(self, tally: Tally, text: str) -> None:
        assert str(tally) == text

    def test_since(self) -> None:
        before = Tally(calls=2, tokens=10, refused=1)
        now = Tally(calls=5, tokens=30, refused=1, errors=1, running=2)
        assert now.since(before) == Tally(calls=3, tokens=20, errors=1, running=2)
