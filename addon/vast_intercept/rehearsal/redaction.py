"""Takes keys, and what else must not be in a file, out of JSON values.

Patterns are a user's own. One that takes very long (catastrophic backtracking) is stopped.
"""

import re
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..secret import Secrets

#: What stands where a pattern has matched.
REDACTED = "[REDACTED]"
#: Seconds that patterns may take on one call.
TIME_LIMIT = 5.0
#: Characters of a text that patterns are looked for in. What a pattern remembers grows with it.
MAX_TEXT = 1_000_000

_LONGEST_PATTERN = 1_000
_MEDIA = re.compile(r"data:[\w/+.;=-]{1,100};base64,", re.IGNORECASE)


class PatternError(ValueError):
    """A pattern cannot be used. The message says which and why."""


class TextTooLongError(Exception):
    """A text is too long to look for patterns in it."""


class Redaction:
    """Masks keys, and replaces what patterns match, in every text of a JSON value.

    Images and audio in base64 stay as they are: what looks like a key there is chance.
    """

    def __init__(self, patterns: Iterable[str] = (), keys: Secrets | None = None) -> None:
        """Raises PatternError. `keys` are masked besides all that looks like a key."""
        self._patterns = tuple(map(_compiled, patterns))
        self._keys = keys or Secrets()

    def applied(self, value: Any) -> Any:
        """The value without keys and matches. Raises PatternError and TextTooLongError."""
        with _limited(self._patterns):
            return self._applied(value)

    def _applied(self, value: Any) -> Any:
        match value:
            case str():
                return self._text(value)
            case list():
                return [self._applied(each) for each in value]
            case {"data": str(data), "format": _}:  # `input_audio`
                return {**{self._text(k): self._applied(v) for k, v in value.items()}, "data": data}
            case dict():
                return {self._text(name): self._applied(each) for name, each in value.items()}
        return value

    def _text(self, text: str) -> str:
        if _MEDIA.match(text):
            return text
        text = self._keys.redact(text)
        if self._patterns and len(text) > MAX_TEXT:
            raise TextTooLongError
        for pattern in self._patterns:
            # A match of nothing has nothing to hide.
            text = pattern.sub(lambda match: REDACTED if match[0] else "", text)
        return text


def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > _LONGEST_PATTERN:
        raise PatternError(f"A pattern has more than {_LONGEST_PATTERN:,} characters.")
    try:
        made = re.compile(pattern)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        raise PatternError(f"{pattern!r} is not a regular expression: {error}.") from None
    if made.fullmatch(""):
        raise PatternError(f"{pattern!r} matches nothing at all, and so everywhere.")
    return made


@contextmanager
def _limited(patterns: tuple[re.Pattern[str], ...]) -> Iterator[None]:
    """Ends what takes longer than `TIME_LIMIT`. Python's `re` looks for signals as it searches."""
    possible = hasattr(signal, "setitimer")
    if not (patterns and possible and threading.current_thread() is threading.main_thread()):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        named = " or ".join(repr(each.pattern) for each in patterns)
        raise PatternError(
            f"{named} takes more than {TIME_LIMIT:g} seconds on one call. Repetitions within"
            " repetitions, such as (a+)+, do so: write the pattern without them."
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
