"""Steps: one whole and one streamed call, as an app makes them with `requests`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import requests

from ..openai_api.error_codes import ErrorCode
from ..openai_api.sse import DONE, EventParser
from ..secret import Secret, is_sendable
from .findings import Finding, NotApplicable, Problem, one_line
from .subject import Subject
from .target import model_for

# Seconds. The configuration may allow a call ten minutes, for which nobody waits.
_LONGEST_CALL = 60.0
# Seconds until the interceptor has said why there is no answer.
_GRACE = 2.0
#: Seconds that a step may take that makes a call.
LIMIT = _LONGEST_CALL + 2 * _GRACE

_CONNECT_SECONDS = 10.0
_MAX_ANSWER = 1024 * 1024
_MAX_PIECE = 64 * 1024
_MAX_TOKENS = 16
_PROMPT = "Answer with one word: ready"

_ADVICE: dict[str, str] = {
    ErrorCode.VAST_KEY_MISSING: "The interceptor runs without the key. Start it anew where it is"
    " set:\nexport VAST_API_KEY=...; vast-intercept serve",
    ErrorCode.VAST_ENDPOINT_MISSING: "The interceptor runs without an endpoint. Start it anew:\n"
    "vast-intercept serve --endpoint NAME",
    ErrorCode.VAST_ENDPOINT_UNKNOWN: "The interceptor runs with another endpoint. Start it anew:\n"
    "vast-intercept serve --endpoint NAME",
    ErrorCode.VAST_KEY_REFUSED: "The interceptor runs with another key. Start it anew where the"
    " right one is set:\nexport VAST_API_KEY=...; vast-intercept serve",
    ErrorCode.CONFIGURATION_INVALID: "Mend the configuration that the interceptor runs with: it"
    " reads it again by itself.",
}
_LOOK = (
    "The interceptor's log says more; with `vast-intercept serve --web` the call can be watched."
    " The workers' logs are in Vast's console: https://cloud.vast.ai/serverless/"
)
_BY_PROVIDER = (
    "That is the provider itself, to which the route falls back: the endpoints before it did not"
    " answer."
)


class _Error(msgspec.Struct):
    message: str = ""
    code: str | int | None = None


class _Refusal(msgspec.Struct):
    error: _Error


class _Choice(msgspec.Struct):
    delta: dict[str, Any] = {}


class _Completion(msgspec.Struct):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    model: str = ""


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    error: _Error | None = None


def whole_call(subject: Subject) -> Finding:
    """Makes a call that is answered in one piece. Raises Problem."""
    with _answer(subject, stream=False) as (answer, pieces):
        try:
            completion = msgspec.json.decode(b"".join(pieces), type=_Completion)
        except ValueError as error:
            raise Problem(
                f"the answer is not a chat completion: {error}", f"It came from {answer.url}."
            ) from None
        attempts = answer.headers.get("x-vast-attempts")
        if attempts is None:
            raise Problem(
                f"{answer.url} answered, but not through the interceptor",
                "Something else answers for the provider: is there another proxy in between?",
            )
        endpoint = answer.headers.get("x-vast-endpoint", "Vast")
        tries = "" if attempts == "1" else f" at attempt {one_line(attempts)}"
        model = one_line(completion.model)
        by_provider = any(endpoint == provider.name for provider in subject.config.providers)
        return Finding(
            f"answered by {one_line(endpoint)} with model {model}{tries}",
            advice=_BY_PROVIDER if by_provider else "",
        )


def streamed_call(subject: Subject) -> Finding:
    """Makes a call that is answered token by token. Raises Problem."""
    started = time.monotonic()
    with _answer(subject, stream=True) as (answer, pieces):
        kind = answer.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            raise Problem(f"the answer is not a stream, but {one_line(kind) or 'untyped'}", _LOOK)
        first = 0.0
        chunks = 0
        parser = EventParser()
        for event in (event for piece in pieces for event in parser.feed(piece)):
            if event.data.startswith(DONE):
                break
            if _has_token(event.data) and not first:
                first = time.monotonic() - started
            chunks += 1
        else:
            raise Problem(f"the stream broke off after {chunks} chunks, without [DONE]", _LOOK)
    if chunks < 2:
        raise Problem(f"the stream had {chunks} chunk, where tokens should come one by one", _LOOK)
    token = f"the first token after {first * 1000:.0f} ms" if first else "no token"
    return Finding(f"{chunks} chunks and [DONE], {token}")


@contextmanager
def _answer(
    subject: Subject, *, stream: bool
) -> Iterator[tuple[requests.Response, Iterator[bytes]]]:
    """The response of a call, and the pieces of its body. Raises Problem and NotApplicable."""
    subject.need_vast()
    door, url, here = subject.door, subject.chat_url, f"http://127.0.0.1:{subject.port}"
    if door.is_reverse:
        url = here + urlsplit(url).path
    elif not door.is_proxy:
        raise NotApplicable(f"in mode {door.mode} only an app behind it can call")
    seconds = min(subject.config.timeout.total + _GRACE, _LONGEST_CALL)
    ends = time.monotonic() + seconds
    body: dict[str, Any] = {
        "model": model_for(subject.config),
        "messages": [{"role": "user", "content": _PROMPT}],
        "max_tokens": _MAX_TOKENS,
        "stream": stream,
    }
    key = _app_key(subject)
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
                json=body,
                headers={"authorization": f"Bearer {key.reveal() if key else 'no-key'}"},
                timeout=(_CONNECT_SECONDS, seconds),
                stream=True,
                allow_redirects=False,
            )
            with answer:
                pieces = _pieces(answer, ends, seconds)
                if answer.status_code != 200:
                    raise _refused(subject, answer.status_code, b"".join(pieces))
                yield answer, pieces
        except requests.RequestException as error:
            raise _failed(error, seconds) from None


def _app_key(subject: Subject) -> Secret | None:
    key = subject.environ.get("OPENAI_API_KEY", "").strip()
    return Secret(key) if is_sendable(key) else None


def _pieces(answer: requests.Response, ends: float, seconds: float) -> Iterator[bytes]:
    """The pieces of the body, whose size and time are limited."""
    received = 0
    # HTTP chunks come as they were sent, unless they are larger.
    for piece in answer.iter_content(_MAX_PIECE):
        received += len(piece)
        if received > _MAX_ANSWER:
            raise Problem(f"the answer has more than {_MAX_ANSWER:,} bytes", _LOOK)
        if time.monotonic() > ends:
            raise _too_slow(seconds)
        yield piece


def _refused(subject: Subject, status: int, body: bytes) -> Problem | NotApplicable:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except ValueError:
        said = one_line(body.decode("utf-8", "replace"))
        return Problem(f"status {status}, which is no error of OpenAI's form: {said}", _LOOK)
    code = str(error.code or "")
    advice = _ADVICE.get(code, _LOOK)
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
        return Problem(f"the interceptor does not take the call: {reason}", _LOOK)
    return Problem(f"the connection broke off: {reason}", _LOOK)


def _too_slow(seconds: float) -> Problem:
    return Problem(
        f"no whole answer within {seconds:g} s",
        "A cold start may take minutes: wait until a worker is ready, and try again. This check"
        f" waits no longer than vast.timeout.total, and a minute at most.\n{_LOOK}",
    )


def _innermost(error: BaseException) -> BaseException:
    """The error that requests and urllib3 have wrapped, which they do several times."""
    inner = [getattr(error, "reason", None), *error.args[::-1]]
    found = next((each for each in inner if isinstance(each, BaseException)), None)
    return _innermost(found) if found else error


def _has_token(data: str) -> bool:
    """Whether a chunk has a token. Raises Problem for an error, or if it cannot be read."""
    try:
        chunk = msgspec.json.decode(data, type=_Chunk)
    except ValueError as error:
        raise Problem(f"the stream has a chunk that cannot be read: {error}", _LOOK) from None
    if chunk.error:
        raise Problem(
            f"the stream broke off, {chunk.error.code}: {one_line(chunk.error.message)}", _LOOK
        )
    return any(
        value for choice in chunk.choices for name, value in choice.delta.items() if name != "role"
    )
