"""What an app is given of the environment, and what it is not."""

import shlex
from pathlib import Path

import pytest

from vast_intercept.certificates.trust_files import files_in
from vast_intercept.engine.key_variables import with_the_same_key, without_variables
from vast_intercept.launch.variables import app_variables, bundle_variables

FILES = files_in(Path("/some where/vast"))


@pytest.mark.parametrize(
    ("no_proxy", "hosts"),
    [
        ("intranet", "localhost|127.*|[::1]|intranet"),
        (".corp.example, other", "localhost|127.*|[::1]|*.corp.example|other"),
        ("localhost,10.0.0.0/8", "localhost|127.*|[::1]"),
    ],
)
def test_no_proxy_is_javas_too(no_proxy: str, hosts: str) -> None:
    variables = app_variables("http://127.0.0.1:8080", FILES, {"no_proxy": no_proxy})
    assert f"-Dhttp.nonProxyHosts={hosts}" in shlex.split(variables["JAVA_TOOL_OPTIONS"])


@pytest.mark.parametrize(
    ("environ", "lower", "upper"),
    [
        ({}, "127.0.0.1:8080", "127.0.0.1:8080"),
        ({"no_proxy": "a,b"}, "a,b,127.0.0.1:8080", "a,b,127.0.0.1:8080"),
        ({"NO_PROXY": "a"}, "a,127.0.0.1:8080", "a,127.0.0.1:8080"),
        ({"no_proxy": "a", "NO_PROXY": "b"}, "a,127.0.0.1:8080", "b,127.0.0.1:8080"),
        ({"no_proxy": "*"}, "*", "*"),
    ],
)
def test_the_proxy_itself_is_called_directly(
    environ: dict[str, str], lower: str, upper: str
) -> None:
    for _ in range(2):  # as from `env`, in a shell where it was called before
        environ = environ | app_variables("http://127.0.0.1:8080", FILES, environ)
        assert (environ["no_proxy"], environ["NO_PROXY"]) == (lower, upper)


def test_php_keeps_its_own_folders() -> None:
    assert bundle_variables(FILES, {})["PHP_INI_SCAN_DIR"] == ":/some where/vast/php"
    mine = bundle_variables(FILES, {"PHP_INI_SCAN_DIR": "/mine"})
    assert mine["PHP_INI_SCAN_DIR"] == "/mine:/some where/vast/php"
    assert bundle_variables(FILES, mine) == mine


def test_the_key_is_not_for_the_app() -> None:
    environ = {"MINE": "key", "OTHER": "key ", "VAST_API_KEY": "x", "VAST_ENDPOINT": "e", "NO": ""}
    names = with_the_same_key(["MINE", "NO", "NONE"], environ)
    assert names == ["MINE", "OTHER", "VAST_API_KEY", "NO"]
    assert without_variables(names, environ) == {"VAST_ENDPOINT": "e"}
