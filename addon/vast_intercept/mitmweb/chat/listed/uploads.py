"""Requests that are uploads (`multipart/form-data`): their fields, and what their files are."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from ....telemetry.wording import byte_count
from ..layout import block, dotted, paragraphs
from ..media_text import file_text
from .entries import beginning_of, bounded

_FORM = "multipart/form-data"
# Larger bodies are not read here, nor those of more parts.
_MOST_BYTES = 32 * 1024 * 1024
_MOST_PARTS = 120
# Lines that continue a header. Each takes longer than the one before, and no client sends any.
_MOST_CONTINUED = 1_000
_FIELD = 64 * 1024  # bytes of a field's value
_SHOWN = 200  # characters of a name, and of a value that stands in the first line
_LONG_TEXTS = frozenset({"prompt", "instructions"})


@dataclass(slots=True)
class _Part:
    name: str
    filename: str | None
    content_type: str
    pieces: list[bytes | bytearray] = field(default_factory=list)

    def content(self) -> bytes:
        """What there is of it."""
        return b"".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Upload:
    """A form, as far as it can be read."""

    #: Its fields that are not files, by name. Of a name that comes twice, the last.
    fields: dict[str, str]
    #: Fields and files, for a person to read.
    text: str


def request_text(body: bytes, content_type: str) -> str | None:
    """The request: its fields and files. None if it is no form."""
    upload = read_upload(body, content_type)
    return upload.text if upload else None


def read_upload(body: bytes, content_type: str) -> Upload | None:
    """Reads a form. None if it is none. It never fails: of a broken form, what could be read."""
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if kind != _FORM or not boundary or len(body) > _MOST_BYTES:
        return None
    if body.count(b"\r\n ") + body.count(b"\r\n\t") > _MOST_CONTINUED:
        return None
    parts: list[_Part] = []
    broken = ""
    try:
        _read(body, boundary, parts)
    except (MultipartError, ValueError, LookupError) as error:
        broken = f"broken: {error}"[:_SHOWN]
    fields = {each.name: _value(each) for each in parts if each.filename is None}
    short = [
        f"{name[:_SHOWN]}={value[:_SHOWN]}"
        for name, value in fields.items()
        if name not in {"model", *_LONG_TEXTS}
    ]
    model = fields.get("model", "no model")[:_SHOWN]
    files = [block(each.name[:_SHOWN], _file(each)) for each in parts if each.filename is not None]
    texts = [
        block(name, beginning_of(fields[name])) for name in sorted(_LONG_TEXTS & fields.keys())
    ]
    size = "" if files else byte_count(len(body))
    head = dotted([model, *short, size])
    return Upload(fields, paragraphs([head, *bounded(files, len(files)), *texts, broken]))


def _read(body: bytes, boundary: str, parts: list[_Part]) -> None:
    with PushMultipartParser(boundary, max_segment_count=_MOST_PARTS) as parser:
        for event in _events(parser, body):
            if isinstance(event, MultipartSegment):
                parts.append(_Part(event.name, event.filename, event.content_type or ""))
            elif event:
                parts[-1].pieces.append(event)


def _events(
    parser: PushMultipartParser, body: bytes
) -> Iterator[MultipartSegment | bytes | bytearray | None]:
    yield from parser.parse(body)
    yield from parser.parse(b"")


def _value(part: _Part) -> str:
    return part.content()[:_FIELD].decode(errors="replace")


def _file(part: _Part) -> str:
    content = part.content()
    name = (part.filename or "")[:_SHOWN]
    return dotted([name, file_text(content, otherwise=part.content_type[:_SHOWN])])
