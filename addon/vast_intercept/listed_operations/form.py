"""A form that was uploaded: its fields and files, and what is made of it for a worker or a server.

The parts are places in the app's own body. Nothing of a file is copied, but for its base64.
"""

import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_request
from ..openai_api.reading import shown
from ..openai_api.rewriting import Piece
from .listed_call import Form, Steps

# Bytes of a file that become base64 in one step: a multiple of three, of which base64 makes four.
_AT_ONCE = 3 * 32 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its name, what its head says of it, and the bytes of the body where it stands."""

    name: str
    filename: str | None
    #: Without parameters, in lower case; empty if none is said.
    content_type: str
    is_file: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent on. `name` ends with an extension that the worker knows."""

    field: str
    name: str
    content_type: str
    data: memoryview


@dataclass(frozen=True, slots=True)
class UploadedForm:
    """The whole form."""

    #: As it came.
    body: memoryview = field(repr=False)
    boundary: bytes
    parts: tuple[Part, ...]

    def data(self, part: Part) -> memoryview:
        """The bytes of a part."""
        return self.body[part.start : part.end]

    def texts(self) -> dict[str, list[str]]:
        """The fields, by name, without files. Raises ApiError (400) for one that is not UTF-8."""
        found: dict[str, list[str]] = {}
        for part in self.parts:
            if not part.is_file:
                found.setdefault(part.name, []).append(self._text(part))
        return found

    def _text(self, part: Part) -> str:
        try:
            return bytes(self.data(part)).decode()
        except UnicodeDecodeError as error:
            name = shown(part.name)
            raise bad_request(
                f"The field {name!r} is not valid UTF-8 (at byte {error.start} of it). Send it as"
                " UTF-8, or with a file name if it is a file.",
                ErrorCode.INVALID_VALUE,
                name,
            ) from None


def as_json(
    fields: Mapping[str, object], files: Mapping[str, memoryview | list[memoryview]]
) -> Steps[tuple[Piece, ...]]:
    """Makes a JSON object of fields and files, in steps: a file is base64 in it.

    The values of `files` are a file's bytes, or a list of those of several.
    """
    pieces: list[Piece] = []
    separator = b"{"
    for name, value in fields.items():
        pieces.append(separator + _json(name) + b":" + _json(value))
        separator = b","
    for name, value in files.items():
        several = isinstance(value, list)
        pieces.append(separator + _json(name) + (b":[" if several else b":"))
        separator = b","
        for index, data in enumerate(value if isinstance(value, list) else [value]):
            pieces.append(b',"' if index else b'"')
            for at in range(0, len(data), _AT_ONCE):
                pieces.append(binascii.b2a_base64(data[at : at + _AT_ONCE], newline=False))
                yield
            pieces.append(b'"')
        if several:
            pieces.append(b"]")
    pieces.append(b"}" if separator == b"," else b"{}")
    return tuple(pieces)


def as_form(boundary: bytes, fields: Mapping[str, list[str]], files: Iterable[File]) -> Form:
    """Makes a form for a server, with the app's boundary, which is in none of the parts."""

    def parts() -> Iterator[Piece]:
        for name, values in fields.items():
            for value in values:
                yield b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (
                    boundary,
                    _quoted(name),
                    value.encode(),
                )
        for file in files:
            yield (
                b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n'
                b"Content-Type: %b\r\n\r\n"
                % (
                    boundary,
                    _quoted(file.field),
                    _quoted(file.name),
                    file.content_type.encode(),
                )
            )
            yield file.data
            yield b"\r\n"
        yield b"--%b--\r\n" % boundary

    return Form(f'multipart/form-data; boundary="{boundary.decode()}"', tuple(parts()))


def _quoted(name: str) -> bytes:
    """A name in a head, as browsers write it (HTML, "multipart/form-data")."""
    escaped = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    return escaped.encode()


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
