"""The report as one HTML file that needs nothing from anywhere.

The file holds a skeleton, style, script, the report's numbers as JSON, a line for each call, and
the calls' texts in compressed pages. The script unpacks a page when a call of it is opened. Nothing
of a call is HTML: JSON with every `<` escaped and base64 cannot end the element that they are in.
"""

import base64
import errno
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from itertools import islice
from pathlib import Path
from string import Template
from typing import IO

from ... import dashboard
from .as_json import as_object
from .collected import Collected, Shown
from .report import Rehearsal

#: Calls of a compressed page. `report.js` is told.
CALLS_OF_A_PAGE = 50

_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 6
# Sentences of the recording that the page lists. The JSON has them all.
_MOST_UNUSABLE = 500
_END = "<!-- pages -->"


def write_page(rehearsal: Rehearsal, collected: Collected, path: Path) -> None:
    """Writes the page, so that only its owner can read it. Raises OSError.

    The file appears when it is complete. One that was there before is replaced.
    """
    with _private_file(path) as out:
        begin, end = _skeleton(rehearsal)
        out.write(begin)
        # The lines come first: the list is there while the rest of a large file is still read.
        _write_packed("lines", (call.line for call in collected.worst_first()), out)
        out.write(b"<script>" + _script() + b"</script>\n")
        calls = map(_call, collected.worst_first())
        for number in range(-(-len(collected) // CALLS_OF_A_PAGE)):
            _write_packed(f"page-{number}", islice(calls, CALLS_OF_A_PAGE), out)
        out.write(end)


def _call(call: Shown) -> bytes:
    return b'{"numbers":' + call.numbers + b',"texts":' + call.texts + b"}"


def _skeleton(rehearsal: Rehearsal) -> tuple[bytes, bytes]:
    """What stands before the lines, and what stands after the last page."""
    style, script = _file("report.css"), _script()
    numbers = as_object(rehearsal)
    numbers["unusable_parts"] = len(numbers["unusable"])
    numbers["unusable"] = numbers["unusable"][:_MOST_UNUSABLE]
    numbers["calls_of_a_page"] = CALLS_OF_A_PAGE
    text = Template(_file("index.html").decode()).substitute(
        policy=_policy(style, script),
        icon=base64.b64encode(_file("icon.svg", dashboard.__name__)).decode(),
        style=style.decode(),
        numbers=json.dumps(numbers).replace("<", "\\u003c"),
    )
    begin, mark, end = text.partition(_END)
    assert mark
    return begin.encode(), end.encode()


def _policy(style: bytes, script: bytes) -> str:
    """Forbids everything but the file's own style, script and icon.

    https://www.w3.org/TR/CSP3/#source-list-syntax; `trusted-types` has the browser itself refuse to
    make HTML of a text (https://www.w3.org/TR/trusted-types/).
    """
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:;"
        " base-uri 'none'; form-action 'none'; require-trusted-types-for 'script';"
        " trusted-types 'none'"
    )


def _hash(source: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source).digest()).decode()}'"


def _script() -> bytes:
    """The scripts of the page as one, in the order in which they use each other."""
    return b"".join(
        map(
            _file,
            ("elements.js", "differences.js", "plots.js", "opened.js", "calls.js", "report.js"),
        )
    )


def _file(name: str, package: str = __package__) -> bytes:
    # A browser reads CR LF as LF, and hashes that.
    data = (resources.files(package) / "page" / name).read_bytes()
    return data.replace(b"\r\n", b"\n")


def _write_packed(name: str, values: Iterable[bytes], out: IO[bytes]) -> None:
    """Writes a JSON array of JSON values, compressed and in base64, as an element of data."""
    out.write(f'<script type="application/octet-stream" id="{name}">'.encode())
    rest = b""
    for piece in _compressed(values):
        data = rest + piece
        # Three bytes make four characters.
        whole = len(data) - len(data) % 3
        out.write(base64.b64encode(data[:whole]))
        rest = data[whole:]
    out.write(base64.b64encode(rest) + b"</script>\n")


def _compressed(values: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    before = b"["
    for value in values:
        yield packer.compress(before + value)
        before = b","
    yield packer.compress(b"]" if before == b"," else b"[]")
    yield packer.flush()


@contextmanager
def _private_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is complete. tempfile makes it with the mode 0600.

    What is there and is no file, such as `/dev/null` or a pipe, is written to, and not replaced.
    Raises OSError.
    """
    _check_link(path)
    real = path.resolve()
    if is_special(real):
        with real.open("wb") as out:
            yield out
        return
    with tempfile.NamedTemporaryFile(dir=real.parent, prefix=f".{real.name}.", delete=False) as out:
        try:
            yield out
            out.flush()
            Path(out.name).replace(real)
        finally:
            with suppress(FileNotFoundError):
                Path(out.name).unlink()


def _check_link(path: Path) -> None:
    """Refuses a symbolic link that another user has put there, to have a file of ours replaced.

    In folders that all may write to, Linux follows none of those either, but looks at no renaming
    (`fs.protected_symlinks`, https://docs.kernel.org/admin-guide/sysctl/fs.html).
    """
    if hasattr(os, "geteuid") and path.is_symlink():
        owner = path.lstat().st_uid
        if owner not in {0, os.geteuid()}:
            raise OSError(errno.EACCES, "it is a symbolic link of another user's", str(path))


def is_special(path: Path) -> bool:
    """Whether there is something of that name that is no file, such as a device."""
    return path.exists() and not path.is_file()
