"""How long the audio in a file lasts."""

from ..openai_api.media import media_of
from .form import File

# Bytes that a second takes, as the worker estimates it (FACTS V16). Of a WAV it reads the header.
_BYTES_A_SECOND = {"wav": 32_000, "flac": 12_000, "ogg": 8_000, "webm": 8_000}
_BYTES_A_SECOND_OF_OTHERS = 16_000

# No codec for speech needs fewer: a header that says so is not believed.
_LEAST_BYTES_A_SECOND = 300

_HEADER = 64 * 1024


def seconds_of(file: File) -> float:
    """The length of the audio in seconds: as its header says, or else estimated by its size."""
    return _by_header(file)[1] or _estimated(file)


def seconds_as_counted(file: File) -> float:
    """The length as Vast's worker counts it: only that of a WAV is read, others are estimated."""
    kind, seconds = _by_header(file)
    return seconds if kind == "WAV" and seconds is not None else _estimated(file)


def _by_header(file: File) -> tuple[str, float | None]:
    """The format, and the length if the header states one that may be true."""
    media = media_of(bytes(file.data[:_HEADER]), len(file.data))
    if media is None:
        return "", None
    seconds = media.seconds
    if seconds is not None and seconds > len(file.data) / _LEAST_BYTES_A_SECOND:
        seconds = None
    return media.format, seconds


def _estimated(file: File) -> float:
    extension = file.name.rpartition(".")[2]
    return len(file.data) / _BYTES_A_SECOND.get(extension, _BYTES_A_SECOND_OF_OTHERS)
