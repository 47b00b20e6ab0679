"""Audio: makes a tone in the formats that need no library, and finds out how long a file lasts."""

import io
import math
import wave
from array import array
from hashlib import blake2s

RATE = 24_000
_SECONDS_A_CHARACTER = 0.025

# A frame of MPEG-1 layer III with 128 kbit/s and 44.1 kHz. Its main data is empty, which is
# silence; each frame lasts 1,152 samples.
_MP3_FRAME = b"\xff\xfb\x90\xc4" + bytes(413)
_MP3_FRAME_SECONDS = 1152 / 44_100

# What other formats take, to guess how long a file lasts.
_BYTES_A_SECOND = 16_000


def seconds_of_speech(text: str) -> float:
    """How long the stand-in takes to say a text."""
    return max(len(text) * _SECONDS_A_CHARACTER, 0.1)


def pcm(text: str) -> bytes:
    """A tone for a text: 16 bits, mono, little-endian, RATE samples a second."""
    period = 60 + blake2s(text.encode("utf-8", "surrogatepass")).digest()[0]
    wave_form = (round(8_000 * math.sin(2 * math.pi * each / period)) for each in range(period))
    samples = round(RATE * seconds_of_speech(text))
    return (array("h", wave_form).tobytes() * (samples // period + 1))[: samples * 2]


def wav(text: str) -> bytes:
    """The tone as a WAV file."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm(text))
    return written.getvalue()


def mp3(text: str) -> bytes:
    """Silence of the tone's length as an MP3 file."""
    return _MP3_FRAME * math.ceil(seconds_of_speech(text) / _MP3_FRAME_SECONDS)


def seconds_of_wav(data: bytes) -> float | None:
    """How long a WAV file lasts. None for a file that is none."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            seconds: float = file.getnframes() / file.getframerate()
    except (wave.Error, EOFError, ZeroDivisionError):
        return None
    return seconds


def seconds_of_file(data: bytes) -> float:
    """How long a file lasts: of a WAV exactly, of others by their size."""
    seconds = seconds_of_wav(data)
    return len(data) / _BYTES_A_SECOND if seconds is None else seconds
