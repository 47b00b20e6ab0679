"""Writes the chats of a recording as a data set for fine-tuning, each once and without keys."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from .calls import Unusable
from .fine_tuning import NoExampleError, example_of
from .recordings.reading import read_recording
from .redaction import MAX_TEXT, Redaction, TextTooLongError


class ExportError(Exception):
    """Nothing can be exported. The message says why, for a person to read."""


@dataclass(slots=True)
class Exported:
    """What became of the calls of a recording."""

    chats: int = 0
    #: Chats that are equal to one that was written before.
    repeated: int = 0
    #: How many calls are not exported, by the reason.
    left_out: Counter[str] = field(default_factory=Counter)


def export_chats(recording: Path, out: BinaryIO, redaction: Redaction) -> Exported:
    """Writes a line of JSON for each chat. Raises RecordingError and PatternError.

    Memory is bounded by the largest call, and 32 bytes for each chat.
    """
    exported = Exported()
    written: set[bytes] = set()
    for found in read_recording(recording):
        if isinstance(found, Unusable):
            exported.left_out[f"{found.why[:1].lower()}{found.why[1:]}".rstrip(".")] += found.calls
            continue
        try:
            line = msgspec.json.encode(redaction.applied(example_of(found)))
        except NoExampleError as error:
            exported.left_out[str(error)] += 1
            continue
        except TextTooLongError:
            exported.left_out[f"a text has more than the {MAX_TEXT:,} characters searched"] += 1
            continue
        except RecursionError:
            exported.left_out["it is nested too deeply"] += 1
            continue
        digest = hashlib.sha256(line).digest()
        if digest in written:
            exported.repeated += 1
            continue
        written.add(digest)
        out.write(line + b"\n")
        exported.chats += 1
    return exported


@contextmanager
def new_private_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that only its owner can read. It is removed if what is done with it fails.

    Raises ExportError if it exists, or cannot be made or written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ExportError(f"{path} exists already. Name another file, or remove it.") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ExportError(f"{path} cannot be written: {why}.") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ExportError(f"{path} cannot be written: {error.strerror}.") from None
        raise
