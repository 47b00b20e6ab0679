"""Masks keys in the log, whichever logger and whichever handler it is (FACTS M51)."""

import logging
import re
import traceback
from typing import Any
from urllib.parse import unquote

from ..secret import mask, mask_shapes
from .message_keys import is_secret

# Python's way to write bytes, also where mitmproxy has cut its line within them: what a client or a
# server has sent, and not in a form in which keys could be found.
_BYTES = re.compile(
    r"""\b[bB](?:'(?:[^'\\\n]|\\.)*(?:'|(?=\n)|\Z)|"(?:[^"\\\n]|\\.)*(?:"|(?=\n)|\Z))"""
)
# "invalid content-length header: '...'", which mitmproxy says of text, too.
_QUOTED = re.compile(r"""(header(?: name)?: )(?:'[^'\n]*'|"[^"\n]*")""")
_HEADER = re.compile(
    r"(?P<name>\b(?:(?:proxy-)?authorization|(?:set-)?cookie|(?:x-)?(?:goog-)?api-?key"
    r"|ocp-apim-subscription-key|x-(?:auth-|access-|api-)?token) ?: ?)(?P<value>[^\n]+)",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"(?P<start>[?&;](?P<name>[\w%-]{3,60})=)(?P<value>[^&;#\s]+)")
_BEARER = re.compile(r"(?P<name>\bbearer +)(?P<value>[^\s'\"]{8,})", re.IGNORECASE)
# Most lines have nothing of the kind.
_SUSPECT = re.compile(r"[='\"]|[\w-]{18}|authorization|cookie|key|token|bearer", re.IGNORECASE)

# Who logs bytes as they came.
_OF_OTHERS = ("mitmproxy", "hpack", "h2", "h11", "aiohttp", "asyncio", "vast_intercept")


def mask_quoted(text: str) -> str:
    """The message without its keys, and without what it quotes of a request or an answer."""
    if "'" in text or '"' in text:
        text = _QUOTED.sub(r"\1'***'", _BYTES.sub("b'***'", text))
    return mask_text(text)


def mask_text(text: str) -> str:
    """The text with those keys masked that their form, or the word before them, gives away."""
    if not _SUSPECT.search(text):
        return text
    text = _PARAMETER.sub(
        lambda each: (
            each["start"] + mask(each["value"]) if is_secret(unquote(each["name"])) else each[0]
        ),
        text,
    )
    for pattern in (_HEADER, _BEARER):
        text = pattern.sub(lambda each: each["name"] + mask(each["value"]), text)
    return mask_shapes(text)


class MaskedRecord(logging.LogRecord):
    """A log record in whose text keys are masked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._masked: str | None = None
        if self.exc_info and self.exc_info[1]:
            self.exc_info = _masked_exception(self.exc_info)

    def getMessage(self) -> str:  # noqa: N802  (logging's)
        """The masked message. Every handler and formatter calls this."""
        if self._masked is None:
            text = super().getMessage()
            of_others = self.name.startswith(_OF_OTHERS)
            self._masked = mask_quoted(text) if of_others else mask_text(text)
        return self._masked


def install() -> None:
    """Makes Python's logging create masked records. Calling it again has no effect."""
    if logging.getLogRecordFactory() is logging.LogRecord:
        logging.setLogRecordFactory(MaskedRecord)


def _masked_exception(exc_info: Any) -> Any:
    """The exception, or one of the same class without the key if its text has one."""
    kind, error, trace = exc_info
    told = "".join(line for each in _chain(error) for line in traceback.format_exception_only(each))
    if mask_quoted(told) == told:
        return exc_info
    text = mask_quoted(str(error))
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    masked = type(kind.__name__, (kind,), {"__str__": lambda _: text, **names})
    try:
        return masked, kind.__new__(masked), trace
    except TypeError:  # such as a group of exceptions
        return RuntimeError, RuntimeError(text), trace


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
