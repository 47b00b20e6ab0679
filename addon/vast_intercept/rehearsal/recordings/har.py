"""The calls of a HAR file: of a browser's developer tools, of mitmproxy, or of other proxies.

The format is HTTP Archive 1.2. Bodies stand in it without their content coding.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import BinaryIO

import msgspec

from ...intercept.message_keys import Fields, keys_in
from ...intercept.provider_call import url_of
from ...secret import Secret
from ...urls import DEFAULT_PORTS
from ..calls import Answer, RecordedCall, Unusable
from .json_array import objects_in
from .parts import (
    for_a_person,
    header,
    is_stream,
    kept_headers,
    place_in,
    plausible_seconds,
    plausible_time,
    why_no_call,
    without_keys,
)
from .recording_error import RecordingError
from .strangers import Strangers

_MIB = 1024 * 1024
#: Bytes of a file. It is held as a whole, because nothing in it can be found otherwise.
MAX_HAR = 64 * _MIB
#: Bytes of a call. A text takes up to four times as much in memory.
MAX_ENTRY = 16 * _MIB

_MAX_HEADERS = 1_000
_LIST = ord("[")
_BOM = b"\xef\xbb\xbf"
# What mitmproxy takes the text of other types without a charset for (FACTS M74).
_UTF8_TYPES = ("json", "html", "xml", "javascript", "ecmascript", "text/css", "charset")


class _Pair(msgspec.Struct):
    name: str
    value: str = ""


class _Body(msgspec.Struct):
    """`postData`, or `content` of an answer."""

    mimeType: str | None = None  # noqa: N815  (the format's own name)
    text: str | None = None
    encoding: str | None = None
    size: float = 0


class _Request(msgspec.Struct):
    method: str
    url: str
    headers: list[_Pair] = []
    postData: _Body | None = None  # noqa: N815
    bodySize: float = 0  # noqa: N815


class _Response(msgspec.Struct):
    status: int = 0
    headers: list[_Pair] = []
    content: _Body = msgspec.field(default_factory=_Body)
    error: str | None = msgspec.field(default=None, name="_error")


class _Timings(msgspec.Struct):
    """Milliseconds; -1 where it does not apply."""

    wait: float | None = -1
    receive: float | None = -1


class _Entry(msgspec.Struct):
    request: _Request
    response: _Response = msgspec.field(default_factory=_Response)
    startedDateTime: str = ""  # noqa: N815
    timings: _Timings = msgspec.field(default_factory=_Timings)
    resource_type: str | None = msgspec.field(default=None, name="_resourceType")


class _Creator(msgspec.Struct):
    name: str = ""


class _Log(msgspec.Struct):
    entries: msgspec.Raw
    creator: _Creator = msgspec.field(default_factory=_Creator)


class _Har(msgspec.Struct):
    log: _Log


_har = msgspec.json.Decoder(_Har)
_entry = msgspec.json.Decoder(_Entry)


class Har:
    """A HAR file whose calls are not read yet."""

    def __init__(self, log: _Log) -> None:
        self._entries = memoryview(log.entries)
        self._of_mitmproxy = log.creator.name == "mitmproxy"

    def calls(self, strangers: Strangers) -> Iterator[RecordedCall | Unusable]:
        """Each call. What is none is told in its place."""
        for number, (start, end) in enumerate(objects_in(self._entries), 1):
            place = f"entry {number}"
            if end - start > MAX_ENTRY:
                yield Unusable(place=place, why=f"It is larger than {MAX_ENTRY // _MIB} MiB.")
                continue
            raw = self._entries[start:end]
            found = _read(place, raw, strangers, of_mitmproxy=self._of_mitmproxy)
            if found is not None:
                yield Unusable(place=place, why=found) if isinstance(found, str) else found


def read_har(file: BinaryIO) -> Har:
    """Reads the frame of a HAR file. Raises RecordingError, which says just why it is none."""
    content = file.read(MAX_HAR + 1)
    if len(content) > MAX_HAR:
        raise RecordingError(f"it is larger than {MAX_HAR // _MIB} MiB, which is the most for HAR")
    try:
        log = _har.decode(content.removeprefix(_BOM)).log
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordingError(for_a_person(str(error))) from None
    except RecursionError:
        raise RecordingError("it is nested too deeply") from None
    if memoryview(log.entries)[0] != _LIST:
        raise RecordingError("its entries are not a list")
    return Har(log)


def _read(
    place: str, raw: memoryview, strangers: Strangers, *, of_mitmproxy: bool
) -> RecordedCall | str | None:
    """The entry's call, why it has none, or None if it goes to no provider."""
    try:
        entry = _entry.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"It cannot be read: {for_a_person(str(error))}."
    request = entry.request
    if len(request.headers) > _MAX_HEADERS or len(entry.response.headers) > _MAX_HEADERS:
        return f"It has more than {_MAX_HEADERS:,} headers."
    parts = place_in(request.url)
    if parts is None:
        scheme = request.url.partition(":")[0].lower()
        if scheme in DEFAULT_PORTS:
            return "Its URL is not valid."
        strangers.count(scheme)
        return None
    if strangers.has(*parts[1:3]):
        return None
    fields = _fields(request.headers)
    if request.postData and request.postData.mimeType and not header(fields, b"content-type"):
        # Some programs leave headers out that are said elsewhere.
        fields += ((b"content-type", request.postData.mimeType.encode()),)
    is_websocket = entry.resource_type == "websocket"
    if why := why_no_call(request.method, fields, is_websocket=is_websocket):
        return why
    body = _request_body(request, header(fields, b"content-type"), of_mitmproxy=of_mitmproxy)
    if body is None:
        return "The file does not have the body of its request."
    keys = keys_in(fields, parts[3])
    answer, problem = _answer(entry, keys, of_mitmproxy=of_mitmproxy)
    return RecordedCall(
        place=place,
        method=request.method,
        url=url_of(*parts),
        headers=kept_headers(fields),
        body=without_keys(body, keys),
        answer=answer,
        problem=problem,
        time=_time(entry.startedDateTime),
    )


def _fields(headers: list[_Pair]) -> Fields:
    return tuple((each.name.encode(), each.value.encode()) for each in headers)


def _request_body(request: _Request, content_type: str, *, of_mitmproxy: bool) -> bytes | None:
    if request.postData is not None:
        return _bytes_of(request.postData, content_type, of_mitmproxy=of_mitmproxy)
    return None if request.bodySize > 0 or request.method in {"POST", "PUT", "PATCH"} else b""


def _answer(
    entry: _Entry, keys: Sequence[Secret], *, of_mitmproxy: bool
) -> tuple[Answer | None, str]:
    """What the file has of the answer, and what is missing of it."""
    response = entry.response
    problem = f"{for_a_person(response.error)}." if response.error else ""
    if response.status <= 0:
        return None, problem or "The recording ends before its answer."
    content_type = header(_fields(response.headers), b"content-type")
    content_type = content_type or response.content.mimeType or ""
    body = _bytes_of(response.content, content_type, of_mitmproxy=of_mitmproxy)
    if body is None or (not body and response.content.size > 0):
        body, problem = b"", problem or "The file does not have the body of its answer."
    wait, receive = entry.timings.wait or 0, entry.timings.receive or 0
    return (
        Answer(
            status=response.status,
            content_type=content_type,
            body=without_keys(body, keys),
            whole=not problem,
            time_to_first_token=_seconds(wait) if is_stream(content_type) else None,
            duration=_seconds(wait + max(receive, 0)) if wait > 0 else None,
        ),
        problem,
    )


def _bytes_of(body: _Body, content_type: str, *, of_mitmproxy: bool) -> bytes | None:
    """The bytes that the text was made of; None if there is none, or it cannot be told."""
    if body.text is None:
        return None
    if body.encoding == "base64":
        try:
            return base64.b64decode(body.text, validate=True)
        except binascii.Error:
            return None
    if of_mitmproxy and not any(each in content_type for each in _UTF8_TYPES):
        try:
            return body.text.encode("latin-1")
        except UnicodeEncodeError:
            pass
    return body.text.encode()


def _seconds(milliseconds: float) -> float | None:
    return plausible_seconds(milliseconds / 1000) if milliseconds > 0 else None


def _time(text: str) -> float | None:
    try:
        return plausible_time(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return None
