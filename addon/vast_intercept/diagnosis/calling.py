"""Makes a call as an app makes it, with `requests`, and says what went wrong with it."""

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from ..openai_api.error_codes import ErrorCode
from ..openai_api.sse import EVENT_STREAM
from ..secret import Secret, is_sendable
from .findings import NotApplicable, Problem, one_line
from .subject import Subject

# Seconds. The configuration may allow a call ten minutes, for which nobody waits.
_LONGEST_CALL = 60.0
# Seconds until the interceptor has said why there is no answer.
_GRACE = 2.0
#: Seconds that a step may take that makes a call.
LIMIT = _LONGEST_CALL + 2 * _GRACE

#: What a call asks for, and the most tokens that the answer may have.
PROMPT = "Answer with one word: ready"
MAX_TOKENS = 16

_CONNECT_SECONDS = 10.0
_MAX_ANSWER = 1024 * 1024
_MAX_PIECE = 64 * 1024

_ADVICE: dict[str, str] = {
    ErrorCode.VAST_KEY_MISSING: "The interceptor runs without the key. Start it anew where it is"
    " set:\nexport VAST_API_KEY=...; vast-intercept serve",
    ErrorCode.MACHINE_KEY_MISSING: "The interceptor runs without this machine's key. Start it anew"
    " where the key is set.",
    ErrorCode.VAST_ENDPOINT_MISSING: "The interceptor runs without an endpoint. Start it anew:\n"
    "vast-intercept serve --endpoint NAME",
    ErrorCode.VAST_ENDPOINT_UNKNOWN: "The interceptor runs with another endpoint. Start it anew:\n"
    "vast-intercept serve --endpoint NAME",
    ErrorCode.VAST_KEY_REFUSED: "The interceptor runs with another key. Start it anew where the"
    " right one is set:\nexport VAST_API_KEY=...; vast-intercept serve",
    ErrorCode.UNSUPPORTED_ENDPOINT: "The interceptor runs with another configuration, which has"
    " these calls rejected: look at its `unsupported`.",
    ErrorCode.CONFIGURATION_INVALID: "Mend the configuration that the interceptor runs with: it"
    " reads it again by itself.",
}
#: What to do where nothing more is known.
LOOK = (
    "The interceptor's log says more; with `vast-intercept serve --web` the call can be watched."
    " The workers' logs are in Vast's console: https://cloud.vast.ai/serverless/"
)


class Error(msgspec.Struct):
    """An error in OpenAI's or Anthropic's shape."""

    message: str = ""
    code: str | int | None = None
    type: str | None = None

    @property
    def name(self) -> str:
        """Its code, or its type if it has none, as Anthropic's errors."""
        return str(self.code or self.type or "")


class _Refusal(msgspec.Struct):
    error: Error


type Upload = tuple[str, bytes, str]
"""A file of a form: its name, what is in it, and its media type."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A call to make: `body` as JSON, or with files as a form (`multipart/form-data`)."""

    url: str
    body: dict[str, Any]
    #: Anthropic's API has the key in a header of its own.
    key_header: str = "authorization"
    files: Mapping[str, Upload] = field(default_factory=dict)
    #: The most bytes that the answer may have.
    limit: int = _MAX_ANSWER
    #: What to do about errors, by their code, where that is not the same as for other calls.
    advice: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def answer_to(subject: Subject, ask: Ask) -> Iterator[tuple[requests.Response, Iterator[bytes]]]:
    """The response of a call, and the pieces of its body. Raises Problem and NotApplicable."""
    subject.need_vast()
    door, url, here = subject.door, ask.url, f"http://127.0.0.1:{subject.port}"
    if door.is_reverse:
        url = here + urlsplit(url).path
    elif not door.is_proxy:
        raise NotApplicable(f"in mode {door.mode} only an app behind it can call")
    seconds = min(subject.config.timeout.total + _GRACE, _LONGEST_CALL)
    ends = time.monotonic() + seconds
    key = _app_key(subject)
    sent_key = key.reveal() if key else "no-key"
    if ask.key_header == "authorization":
        sent_key = f"Bearer {sent_key}"
    with requests.Session() as session:
        # A shell that is set up says which proxy to use and which CAs to trust, as it does to apps.
        session.trust_env = subject.shell_is_set_up and door.is_proxy
        if not session.trust_env:
            session.verify = str(subject.ca.path)
            if door.is_proxy:
                session.proxies.update(http=here, https=here)
        try:
            answer = session.post(
                url,
                json=None if ask.files else ask.body,
                data=ask.body if ask.files else None,
                files=ask.files or None,
                headers={ask.key_header: sent_key},
                timeout=(_CONNECT_SECONDS, seconds),
                stream=True,
                allow_redirects=False,
            )
            with answer:
                pieces = _pieces(answer, ask.limit, ends, seconds)
                if answer.status_code != 200:
                    body = b"".join(pieces)
                    raise _refused(subject, answer.status_code, body, _ADVICE | dict(ask.advice))
                yield answer, pieces
        except requests.RequestException as error:
            raise _failed(error, seconds) from None


def another_configuration(subject: Subject, what: str) -> str:
    """The advice if the interceptor refuses what the checked configuration has an endpoint for."""
    option = f" --config {shlex.quote(str(subject.path))}" if subject.path else ""
    return (
        f"The interceptor runs with another configuration, in which no endpoint {what}. Start it"
        f" anew with this one:\nvast-intercept serve -p {subject.port}{option}"
    )


def check_is_stream(answer: requests.Response) -> None:
    """Raises Problem if the answer is no stream."""
    kind = answer.headers.get("content-type", "")
    if not kind.startswith(EVENT_STREAM):
        raise Problem(f"the answer is not a stream, but {one_line(kind) or 'untyped'}", LOOK)


def broken_off(error: Error) -> Problem:
    """What an error in a stream says."""
    return Problem(f"the stream broke off, {error.name}: {one_line(error.message)}", LOOK)


def _app_key(subject: Subject) -> Secret | None:
    key = subject.environ.get("OPENAI_API_KEY", "").strip()
    return Secret(key) if is_sendable(key) else None


def _pieces(answer: requests.Response, limit: int, ends: float, seconds: float) -> Iterator[bytes]:
    """The pieces of the body, whose size and time are limited."""
    received = 0
    # HTTP chunks come as they were sent, unless they are larger.
    for piece in answer.iter_content(_MAX_PIECE):
        received += len(piece)
        if received > limit:
            raise Problem(f"the answer has more than {limit:,} bytes", LOOK)
        if time.monotonic() > ends:
            raise _too_slow(seconds)
        yield piece


def _refused(
    subject: Subject, status: int, body: bytes, known: Mapping[str, str]
) -> Problem | NotApplicable:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except ValueError:
        said = one_line(body.decode("utf-8", "replace"))
        return Problem(f"status {status}, which is no error of OpenAI's form: {said}", LOOK)
    code = error.name
    advice = known.get(code, LOOK)
    if code == ErrorCode.VAST_KEY_MISSING and subject.key_is_missing:
        return NotApplicable("the interceptor has no key either, because key failed")
    if code == ErrorCode.INVALID_API_KEY:
        key = _app_key(subject)
        what = f"OPENAI_API_KEY ({key}) is none of them" if key else "It needs one of them"
        advice = (
            f"The interceptor serves only apps whose key is listed in clients.keys. {what}:\n"
            "export OPENAI_API_KEY=..."
        )
    return Problem(f"status {status}, {code}: {one_line(error.message, 500)}", advice)


def _failed(error: requests.RequestException, seconds: float) -> Problem:
    reason = one_line(str(_innermost(error)))
    if isinstance(error, requests.exceptions.SSLError):
        return Problem(
            f"the app does not trust the certificate: {reason}",
            "Have this shell's variables name the interceptor's CA, and start the interceptor"
            " anew if its CA has changed meanwhile.",
        )
    if isinstance(error, requests.Timeout):
        return _too_slow(seconds)
    if isinstance(error, requests.exceptions.ProxyError):
        return Problem(f"the interceptor does not take the call: {reason}", LOOK)
    return Problem(f"the connection broke off: {reason}", LOOK)


def _too_slow(seconds: float) -> Problem:
    return Problem(
        f"no whole answer within {seconds:g} s",
        "A cold start may take minutes: wait until a worker is ready, and try again. This check"
        f" waits no longer than vast.timeout.total, and a minute at most.\n{LOOK}",
    )


def _innermost(error: BaseException) -> BaseException:
    """The error that requests and urllib3 have wrapped, which they do several times."""
    inner = [getattr(error, "reason", None), *error.args[::-1]]
    found = next((each for each in inner if isinstance(each, BaseException)), None)
    return _innermost(found) if found else error
