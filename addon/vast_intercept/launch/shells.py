"""Environment variables in the words of shells and other programs: pure."""

import re
from collections.abc import Callable, Mapping

# The straight one, and four curly ones: PowerShell takes them all for the same.
_POWERSHELL_QUOTES = "(['\u2018\u2019\u201a\u201b])"

type Format = Callable[[Mapping[str, str]], str]


def _sh(variables: Mapping[str, str]) -> str:
    """POSIX: within single quotes everything is itself, but for the quote."""
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
    """In double quotes: python-dotenv, Docker Compose and dotenv for Node agree on these."""
    return _lines(variables, '{}="{}"', lambda value: re.sub(r'(["\\$`])', r"\\\1", value))


def _lines(variables: Mapping[str, str], line: str, quote: Callable[[str], str]) -> str:
    return "\n".join(line.format(name, quote(value)) for name, value in variables.items())


FORMATS: dict[str, Format] = {
    "sh": _sh,
    "fish": _fish,
    "powershell": _powershell,
    "dotenv": _dotenv,
}
