"""The parts of a recorded call, as a rehearsal keeps them: without keys and without codings."""

import re
from collections.abc import Iterable, Sequence

from ...intercept.destination import Parts
from ...intercept.message_keys import Fields, mask_fields, may_be_secret
from ...intercept.provider_call import NOT_PASSED_ON
from ...mitm.borrowed import parse_url
from ...openai_api.content_coding import decode_content
from ...openai_api.errors import ApiError
from ...openai_api.limits import MAX_DECOMPRESSED
from ...secret import Secret, Secrets, mask_shapes

_MIB = 1024 * 1024


# RFC 9110, section 9.1, without methods that nobody has.
_METHOD = re.compile(r"[A-Za-z]{1,20}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LONGEST_SHOWN = 200
# Seconds of a week, and Unix time at the end of the year 9999.
_LONGEST_CALL = 7 * 24 * 3600.0
_LAST_MOMENT = 253_402_300_799.0


class CodingError(Exception):
    """A body's content coding cannot be undone. The message says why."""


def kept_headers(fields: Fields) -> tuple[tuple[str, str], ...]:
    """A request's headers without keys, cookies, and what belongs to connection and length."""
    kept = mask_fields(tuple(each for each in fields if _is_kept(_text(each[0]))))
    return tuple((_text(name), _text(value)) for name, value in kept)


def place_in(url: str) -> Parts | None:
    """Scheme, host, port and path of a URL of HTTP, or None if it is none."""
    try:
        scheme, host, port, path = parse_url(url)
        if scheme in {b"http", b"https"}:
            return scheme.decode(), host.decode("idna"), port, path.decode()
    except ValueError:
        pass
    return None


def is_method(text: str) -> bool:
    """Whether it is a method that a call may have, and no text that somebody has put there."""
    return bool(_METHOD.fullmatch(text))


def why_no_call(method: str, fields: Fields, *, is_websocket: bool) -> str:
    """Why a request is none that could be made, for a person to read; empty if it is one."""
    if method.upper() == "CONNECT":
        return "It is a CONNECT request, which opens a tunnel."
    if not is_method(method):
        return "Its method is not valid."
    if is_websocket or header(fields, b"upgrade").lower() == "websocket":
        return "It is a WebSocket, which Vast does not serve."
    return ""


def for_a_person(text: str) -> str:
    """A text of the recording, to be shown: short, without keys and control characters."""
    return _CONTROLS.sub(" ", mask_shapes(text))[:_LONGEST_SHOWN]


def header(fields: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """The header of that name, in lower case; several are joined. Empty if there is none."""
    return ", ".join(_text(value) for each, value in fields if each.lower() == name)


def without_coding(body: bytes, coding: str) -> bytes:
    """The body with its content coding undone. Raises CodingError, also if it becomes too large."""
    steps = decode_content(body, coding, MAX_DECOMPRESSED)
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        return bytes(ended.value)
    except ApiError as error:
        if error.status == 413:
            raise CodingError(
                f"becomes larger than {MAX_DECOMPRESSED // _MIB} MiB when its content coding is"
                " undone"
            ) from None
        raise CodingError(f"is not valid for its content coding {coding[:40]!r}") from None


def without_keys(body: bytes, keys: Sequence[Secret]) -> bytes:
    """The body with each of these keys masked."""
    if not keys:
        return body
    secrets = Secrets()
    secrets.add(*keys)
    return secrets.redact_bytes(body)


def plausible_seconds(duration: float) -> float | None:
    """How long something took, or None if no call can take so long: a file may say anything."""
    return duration if 0 <= duration <= _LONGEST_CALL else None


def plausible_time(moment: float) -> float | None:
    """A moment as Unix time, or None if it is none that a calendar has."""
    return moment if 0 <= moment <= _LAST_MOMENT else None


def is_stream(content_type: str) -> bool:
    """Whether an answer of that type comes event by event."""
    return content_type.strip().lower().startswith("text/event-stream")


def _is_kept(name: str) -> bool:
    # HAR files of browsers have the pseudo-headers of HTTP/2, such as ":authority".
    return not (name.startswith(":") or name.lower() in NOT_PASSED_ON or may_be_secret(name))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
