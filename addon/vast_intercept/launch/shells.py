"""Environment variables in the syntax of shells and of dotenv files: pure."""

import re
from collections.abc import Callable, Mapping

# PowerShell takes the four curly quotes for the straight one.
_POWERSHELL_QUOTES = "(['\u2018\u2019\u201a\u201b])"

type Format = Callable[[Mapping[str, str]], str]


def _sh(variables: Mapping[str, str]) -> str:
    """POSIX: within single quotes only the quote itself has a meaning."""
    return _lines(variables, "export {}='{}'", lambda value: value.replace("'", "'\\''"))


def _fish(variables: Mapping[str, str]) -> str:
    """https://fishshell.com/docs/current/language.html#quotes"""
    return _lines(variables, "set -gx {} '{}'", lambda value: re.sub(r"(['\\])", r"\\\1", value))


def _powershell(variables: Mapping[str, str]) -> str:
    """Within single quotes, a quote is doubled."""
    return _lines(
        variables, "$env:{} = '{}'", lambda value: re.sub(_POWERSHELL_QUOTES, r"\1\1", value)
    )


def _dotenv(variables: Mapping[str, str]) -> str:
    """In double quotes, which python-dotenv, Docker Compose and dotenv for Node read alike."""
    return _lines(variables, '{}="{}"', lambda value: re.sub(r'(["\\$`])', r"\\\1", value))


def _lines(variables: Mapping[str, str], line: str, quote: Callable[[str], str]) -> str:
    return "\n".join(line.format(name, quote(value)) for name, value in variables.items())


FORMATS: dict[str, Format] = {
    "sh": _sh,
    "fish": _fish,
    "powershell": _powershell,
    "dotenv": _dotenv,
}
