"""Environment variables in the syntax of shells and of dotenv files: pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """A line for each variable. What `special` matches in a value is written as `escaped`."""

    line: str
    special: str
    escaped: str

    def __call__(self, variables: Mapping[str, str]) -> str:
        """The lines that set the variables."""
        return "\n".join(
            self.line.format(name, re.sub(self.special, self.escaped, value))
            for name, value in variables.items()
        )


FORMATS = {
    # POSIX: within single quotes only the quote itself has a meaning.
    "sh": Format("export {}='{}'", "'", r"'\\''"),
    # https://fishshell.com/docs/current/language.html#quotes
    "fish": Format("set -gx {} '{}'", r"(['\\])", r"\\\1"),
    # Within single quotes, a quote is doubled. The four curly quotes count as the straight one.
    "powershell": Format("$env:{} = '{}'", "(['\u2018\u2019\u201a\u201b])", r"\1\1"),
    # In double quotes, which python-dotenv, Docker Compose and dotenv for Node read alike.
    "dotenv": Format('{}="{}"', r'(["\\$`])', r"\\\1"),
}
