"""The calls of a file of JSON lines: bodies of requests, or requests of the Batch API."""

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from ...intercept.provider_call import url_of
from ..calls import RecordedCall, Unusable
from .bare_bodies import TELLING, url_of_body
from .parts import is_method, place_in
from .strangers import Strangers

#: Bytes of a line. A longer one is not read.
MAX_LINE = 32 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_PIECE = 1024 * 1024
# Of the lines in front of the first one that is a request.
_MAX_LOOKED_AT = 100
_ORIGIN = "https://api.openai.com"
_VERSIONED = re.compile(r"/v\d+/")
_HEADERS = (("content-type", "application/json"),)
_FOR_ANTHROPIC = (*_HEADERS, ("anthropic-version", "2023-06-01"))

# Members that say what a line is. Others are not looked at, however many there are.
_KNOWN = sorted({*TELLING, "body", "method", "params", "response", "url"})
_Known = msgspec.defstruct("_Known", [(each, msgspec.Raw, msgspec.Raw()) for each in _KNOWN])
_object = msgspec.json.Decoder(_Known)
_text = msgspec.json.Decoder(str)


class NoRequestError(Exception):
    """A line is no request. The message says why."""


def why_no_json_lines(file: BinaryIO) -> str:
    """Why the file has no JSON lines, for a person to read; empty if one of the first is one."""
    first = ""
    for number, line in _lines(file):
        try:
            members = _members(line)
        except NoRequestError as error:
            first = first or f"line {number}: {error}"
        else:
            if members:
                return ""
        if number >= _MAX_LOOKED_AT:
            break
    return first or "none of its first lines is a request"


def calls_of_json_lines(file: BinaryIO, strangers: Strangers) -> Iterator[RecordedCall | Unusable]:
    """Each line's call. A line that is none is told in its place. Blank lines do not count."""
    for number, line in _lines(file):
        place = f"line {number}"
        try:
            call = _call(place, _members(line), line, strangers)
        except NoRequestError as error:
            yield Unusable(place=place, why=f"{str(error)[:1].upper()}{str(error)[1:]}.")
        else:
            if call is not None:
                yield call


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, with its number. Of one that is too long the beginning alone."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(_PIECE)
        line = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
        if line:
            yield number, line


def _members(line: bytes) -> dict[str, msgspec.Raw]:
    if len(line) > MAX_LINE - 1:
        raise NoRequestError(f"it has more than the {MAX_LINE:,} bytes that are read")
    return members_of(line, "it")


def members_of(value: bytes | msgspec.Raw, what: str) -> dict[str, msgspec.Raw]:
    """The known members of a JSON object. Raises NoRequestError if `what` is none."""
    try:
        found = _object.decode(value)
    except msgspec.ValidationError:
        raise NoRequestError(f"{what} is not a JSON object") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise NoRequestError(f"{what} is not valid JSON ({why})") from None
    return {name: raw for name in _KNOWN if len(raw := getattr(found, name))}


def _call(
    place: str, members: dict[str, msgspec.Raw], line: bytes, strangers: Strangers
) -> RecordedCall | None:
    """The call, or None if it goes to no provider."""
    method, url, body = "POST", url_of_body(members), line
    if "response" in members and "body" not in members:
        raise NoRequestError(
            "it is an answer of the Batch API: the requests are in the batch's input file"
        )
    if "body" in members and url is None:
        method, url, body = _of_batch(members)
    elif "params" in members and url is None:  # a batch of Anthropic's
        body = bytes(members["params"])
        url = url_of_body(members_of(body, "its params"))
    if url is None:
        raise NoRequestError(
            "nothing in it says which operation it asks for, such as messages, input or prompt"
        )
    parts = place_in(url)
    if parts is None:
        raise NoRequestError("its url is not valid")
    if strangers.has(*parts[1:3]):
        return None
    if not is_method(method):
        raise NoRequestError("its method is not valid")
    headers = _FOR_ANTHROPIC if parts[1] == "api.anthropic.com" else _HEADERS
    return RecordedCall(place=place, method=method, url=url_of(*parts), headers=headers, body=body)


def _of_batch(members: dict[str, msgspec.Raw]) -> tuple[str, str | None, bytes]:
    """Method, URL and body of a request of the Batch API; Mistral's have the body alone."""
    body = bytes(members["body"])
    of_body = members_of(body, "its body")
    method = _text_of(members, "method", "POST").upper()
    path = _text_of(members, "url", "")
    if not path:
        return method, url_of_body(of_body), body
    if path.startswith(("https://", "http://")):
        return method, path, body
    # Azure's batches leave the version out.
    path = f"/{path.lstrip('/')}"
    return method, f"{_ORIGIN}{path if _VERSIONED.match(path) else f'/v1{path}'}", body


def _text_of(members: dict[str, msgspec.Raw], name: str, default: str) -> str:
    try:
        return _text.decode(members[name]) if name in members else default
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NoRequestError(f"its {name} is not a text") from None
