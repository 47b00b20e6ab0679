"""Reads `multipart/form-data` while it arrives, and refuses at once what is too large or broken.

RFC 7578 has the format, and RFC 2046, section 5.1, how parts are divided. The body is held once, as
it came. A part is a place in it, so that a file of 25 MiB is not copied.
"""

import re
from collections.abc import Mapping
from mmap import ACCESS_COPY, mmap
from urllib.parse import unquote

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_request
from ..openai_api.limits import (
    MAX_ALL_FIELDS,
    MAX_FIELD,
    MAX_FIELDS,
    MAX_FILE,
    MAX_FILES,
    MAX_UPLOAD,
    STEP,
)
from ..openai_api.outline import Buffer
from ..openai_api.reading import shown
from .form import Part, UploadedForm
from .listed_call import Steps

_FORM = "multipart/form-data"

# Headers of a part: how many, and bytes of each. RFC 7578 knows three.
_MAX_HEADERS = 8
_MAX_HEADER = 4096

# Characters of a content type that are looked at: a header may have a MB, which takes long to read.
_LONGEST_CONTENT_TYPE = 1024

# RFC 2046, section 5.1.1: "no longer than 70 characters, not counting the two leading hyphens". It
# allows fewer characters than these: all of ASCII but quotes and backslashes.
_BOUNDARY = re.compile(r"[ !#-\[\]-~]{0,69}[!#-\[\]-~]")

# A name in UTF-8 and percent-encoded, which RFC 7578, section 4.2, forbids and some clients send.
_EXTENDED_NAME = re.compile(r";\s*filename\*\s*=\s*\"?utf-8'[^']*'([^;\"]*)", re.IGNORECASE)

_END_OF_HEAD = b"\r\n\r\n"


class FormReader:
    """Takes the bytes of one body.

    `files` are the names of the parts that are files, and how many parts may have each. `most` is
    how many bytes all of the body may have.
    """

    def __init__(self, content_type: str, files: Mapping[str, int], most: int = MAX_UPLOAD) -> None:
        """Raises ApiError (400) if the content type is not that of a form."""
        self._boundary = _boundary_of(content_type)
        self._file_names = files
        self._most = most
        self._beginnings = (b"--" + self._boundary, b"\r\n--" + self._boundary)
        # Not in its strict mode: that refuses what follows the last boundary, such as an end of
        # line, but only if it comes in a piece of its own.
        self._parser = PushMultipartParser(
            self._boundary,
            max_header_size=_MAX_HEADER,
            max_header_count=_MAX_HEADERS,
            max_segment_count=MAX_FIELDS + MAX_FILES,
        )
        # Its pages take memory as they are written. A bytearray of this size would be copied as it
        # grows, and leave a hole in the process's memory.
        self._memory = mmap(-1, most, access=ACCESS_COPY)
        self._size = 0
        self._parts: list[Part] = []
        #: Names of the parts that have begun, the current one included.
        self._names: list[str] = []
        self._fields = self._files = 0
        self._bytes_of_files = 0
        #: Of the part that has begun: where it stands, up to now.
        self._segment: MultipartSegment | None = None
        self._is_file = False
        self._start = self._end = 0

    @property
    def body(self) -> memoryview:
        """What has come, byte for byte."""
        return memoryview(self._memory)[: self._size]

    def expect(self, size: int) -> None:
        """Raises ApiError (413) if so many bytes are too many."""
        if size > self._most:
            raise _body_too_large(self._most)

    def feed(self, piece: Buffer) -> Steps[None]:
        """Takes the next bytes, in steps. Raises ApiError (400, 413)."""
        for at in range(0, len(piece), STEP):
            if at:
                yield
            step = piece if len(piece) <= STEP else piece[at : at + STEP]
            end = self._size + len(step)
            self.expect(end)
            self._memory[self._size : end] = step
            self._size = end
            self._check_beginning()
            try:
                for event in self._parser.parse(step):
                    if isinstance(event, MultipartSegment):
                        self._begin(event)
                    elif event is None:
                        self._finish()
                    else:
                        self._grow(len(event))
            except MultipartError as error:
                raise _not_parsed(error) from None
            if self._size - self._bytes_of_files > MAX_ALL_FIELDS:
                raise _too_much_besides_files()

    def end(self) -> UploadedForm:
        """Returns the form, after the last bytes. Raises ApiError (400) if it is cut."""
        try:
            self._parser.close()
        except MultipartError:
            raise bad_request(
                "The request body ends before its last part does, or is no multipart/form-data at"
                " all: its last line must be the boundary that the content type names, with '--'"
                " before and behind it. Send all of it.",
                ErrorCode.INVALID_REQUEST,
                self._names[-1] if self._segment else None,
            ) from None
        return UploadedForm(self.body, self._boundary, tuple(self._parts))

    def _check_beginning(self) -> None:
        """RFC 2046 allows a text before the first part. No client sends one."""
        long = len(self._beginnings[1])
        if self._size >= long and not self._memory[:long].startswith(self._beginnings):
            raise _not_a_form("it does not begin with the boundary of the content type")

    def _begin(self, segment: MultipartSegment) -> None:
        name = segment.name
        if not name:
            raise bad_request(
                "A part of the request body has no name. Each part needs the header"
                " 'Content-Disposition: form-data; name=\"...\"'.",
                ErrorCode.INVALID_REQUEST,
            )
        self._names.append(name)
        self._segment = segment
        # Of each part but the first, the end of the one before it is where its head begins.
        self._start = self._end = self._memory.find(_END_OF_HEAD, self._end) + len(_END_OF_HEAD)
        self._is_file = name in self._file_names or _filename_of(segment) is not None
        if self._is_file:
            self._count_file(name)
            return
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise bad_request(
                f"The request body has more than {MAX_FIELDS} fields. Send fewer.",
                ErrorCode.REQUEST_TOO_COMPLEX,
            )

    def _count_file(self, name: str) -> None:
        """Raises ApiError (400) if it is one too many, or none that is taken."""
        self._files += 1
        if name not in self._file_names:
            raise bad_request(
                f"The field {shown(name)!r} is a file, which this operation does not take. Files go"
                f" into {_listed(self._file_names)}.",
                ErrorCode.UNSUPPORTED_PARAMETER,
                shown(name),
            )
        most = self._file_names[name]
        if self._names.count(name) > most or self._files > MAX_FILES:
            raise bad_request(
                f"The request body has more than {min(most, MAX_FILES)} of the files"
                f" {name!r}. Send no more in one call."
                if most > 1
                else f"The request body has {name!r} twice. Send one file in each call.",
                ErrorCode.INVALID_VALUE,
                name,
            )

    def _grow(self, size: int) -> None:
        self._end += size
        name = self._names[-1]
        if not self._is_file:
            if self._end - self._start > MAX_FIELD:
                raise bad_request(
                    f"The field {shown(name)!r} is longer than {MAX_FIELD:,} bytes. Send less.",
                    ErrorCode.REQUEST_TOO_LARGE,
                    shown(name),
                    status=413,
                )
            return
        self._bytes_of_files += size
        if self._end - self._start > MAX_FILE:
            raise bad_request(
                f"The file {name!r} is larger than {MAX_FILE:,} bytes, which is the most that one"
                " may have. Compress it, or send it in parts, each in a call of its own.",
                ErrorCode.REQUEST_TOO_LARGE,
                name,
                status=413,
            )

    def _finish(self) -> None:
        assert self._segment
        self._parts.append(
            Part(
                self._names[-1],
                _filename_of(self._segment),
                self._segment.content_type or "",
                self._is_file,
                self._start,
                self._end,
            )
        )
        self._segment = None


def _boundary_of(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type[:_LONGEST_CONTENT_TYPE])
    if kind != _FORM:
        raise bad_request(
            f"The content type is {shown(content_type)!r}: it must be {_FORM!r}, since the call"
            " uploads a file."
            if content_type
            else f"The request has no content type: it must be {_FORM!r}, with its boundary.",
            ErrorCode.INVALID_CONTENT_TYPE,
        )
    boundary = options.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise bad_request(
            f"The content type {_FORM!r} has no boundary, or one that is not valid (RFC 2046,"
            " section 5.1.1). Let the HTTP client set the content type: it makes the boundary.",
            ErrorCode.INVALID_CONTENT_TYPE,
        )
    return str(boundary).encode()


def _filename_of(segment: MultipartSegment) -> str | None:
    filename: str | None = segment.filename
    if filename is None and (
        extended := _EXTENDED_NAME.search(segment.header("Content-Disposition", ""))
    ):
        return unquote(extended[1])
    return filename


def _not_parsed(error: MultipartError) -> ApiError:
    if isinstance(error, ParserLimitReached):
        return bad_request(
            f"The request body has more than {MAX_FIELDS + MAX_FILES} parts, or a part with more"
            f" than {_MAX_HEADERS} headers, or with one of more than {_MAX_HEADER:,} bytes. Send"
            " less.",
            ErrorCode.REQUEST_TOO_COMPLEX,
        )
    return _not_a_form(str(error))


def _not_a_form(why: str) -> ApiError:
    return bad_request(
        f"The request body is not valid {_FORM} (RFC 7578): {why}. Let the HTTP client make the"
        " body and its content type.",
        ErrorCode.INVALID_REQUEST,
    )


def _body_too_large(most: int) -> ApiError:
    return bad_request(
        f"The request body is larger than {most:,} bytes, and a file may have {MAX_FILE:,}. No"
        " option raises that. Send less in one call.",
        ErrorCode.REQUEST_TOO_LARGE,
        status=413,
    )


def _too_much_besides_files() -> ApiError:
    return bad_request(
        f"The request body has more than {MAX_ALL_FIELDS:,} bytes besides its files. Send less, and"
        " files as parts of their own.",
        ErrorCode.REQUEST_TOO_LARGE,
        status=413,
    )


def _listed(names: Mapping[str, int]) -> str:
    return " and ".join(repr(name) for name in names)
