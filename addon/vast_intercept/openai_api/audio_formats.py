"""Formats of audio, and its length in seconds, from how a file begins. Pure."""

import re
from collections.abc import Iterator
from math import isfinite
from struct import unpack_from

from .outline import Buffer

# A longer one is not believed: a header may say anything.
_LONGEST = 1_000_000.0  # seconds
_MOST_BOXES = 1_000

# ISO/IEC 11172-3 and 13818-3, layer III. By MPEG version (3: 1, 2: 2, 0: 2.5): samples a second,
# and bits a second by their index in the header.
_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MP3_BITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_BITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_LAYER_3 = 1

# Matroska: ids of Duration and TimestampScale, each with its size.
_DURATION = re.compile(rb"\x44\x89(?:\x84(?P<short>.{4})|\x88(?P<long>.{8}))", re.DOTALL)
_SCALE = re.compile(rb"\x2a\xd7\xb1(?P<size>[\x81-\x84])(?P<value>.{1,4})", re.DOTALL)
_WEBM_HEADER = 64 * 1024
_NANOSECONDS = 1e9


def audio_format(data: Buffer) -> str | None:
    """The format of audio that begins with `data`.

    None if it is neither AAC nor one of those that Vast's worker takes (FACTS V17).
    """
    found = None
    if data.startswith((b"RIFF", b"RF64")) and data[8:12] == b"WAVE":
        found = "WAV"
    elif data.startswith(b"fLaC"):
        found = "FLAC"
    elif data.startswith(b"OggS"):
        found = "Ogg"
    elif data[4:8] == b"ftyp":
        found = "M4A" if data[8:11] == b"M4A" else "MP4"
    elif data.startswith(b"\x1a\x45\xdf\xa3"):
        found = "WebM"
    elif data.startswith(b"ID3") or _is_mp3_frame(data):
        found = "MP3"
    elif data[:1] == b"\xff" and bytes(data[1:2]) in {b"\xf0", b"\xf1", b"\xf8", b"\xf9"}:  # ADTS
        found = "AAC"
    return found


def audio_length(data: Buffer, size: int, name: str) -> float | None:
    """The length, in seconds, of audio of this format and of `size` bytes, if it is known.

    `data` is its beginning, or all of it. Raises `struct.error` or IndexError if it ends within the
    header.
    """
    seconds: float | None = None
    match name:
        case "WAV":
            seconds = _length_of_wav(data, size)
        case "FLAC":
            seconds = _length_of_flac(data)
        case "Ogg":
            seconds = _length_of_ogg(data) if len(data) == size else None
        case "M4A" | "MP4":
            seconds = _length_of_mp4(data)
        case "WebM":
            seconds = _length_of_webm(data)
        case "MP3":
            seconds = _length_of_mp3(data, size)
    believed = seconds is not None and isfinite(seconds) and 0 <= seconds <= _LONGEST
    return seconds if believed else None


def _length_of_wav(data: Buffer, size: int) -> float | None:
    """The length of the data by the bytes a second. Who streams a WAV does not know its size."""
    per_second, position = 0, 12
    for _ in range(_MOST_BOXES):
        if position + 8 > len(data):
            return None
        (length,) = unpack_from("<I", data, position + 4)
        match data[position : position + 4]:
            case b"fmt ":
                (per_second,) = unpack_from("<I", data, position + 16)
            case b"data":
                there = size - position - 8
                return min(length or there, there) / per_second if per_second else None
        position += 8 + length + length % 2
    return None


def _length_of_flac(data: Buffer) -> float | None:
    # RFC 9639, section 8.2: 20 bits of rate, 3 of channels, 5 of depth, 36 of samples.
    (bits,) = unpack_from(">Q", data, 18)
    rate, samples = bits >> 44, bits & (1 << 36) - 1
    return samples / rate if rate and samples else None


def _length_of_ogg(data: Buffer) -> float | None:
    """By the position that the last page states (RFC 3533, section 6)."""
    first = 27 + data[26]
    if data[first : first + 8] == b"OpusHead":  # RFC 7845, sections 4 and 5.1
        rate = 48_000
        (skipped,) = unpack_from("<H", data, first + 10)
    elif data[first : first + 7] == b"\x01vorbis":
        (rate,) = unpack_from("<I", data, first + 12)
        skipped = 0
    else:
        return None
    (position,) = unpack_from("<q", data, data.rfind(b"OggS") + 6)
    return (position - skipped) / rate if rate and position >= skipped else None


def _length_of_mp4(data: Buffer) -> float | None:
    """By the movie's header, ISO/IEC 14496-12, section 8.2.2. It may stand at the file's end."""
    movie = next((part for part in _boxes(data, 0, len(data)) if part[0] == b"moov"), None)
    if movie is None:
        return None
    for kind, start, _ in _boxes(data, *movie[1:]):
        if kind == b"mvhd":
            long = data[start] == 1
            scale, duration = unpack_from(">IQ" if long else ">II", data, start + 12 + 8 * long)
            return duration / scale if scale and duration else None
    return None


def _boxes(data: Buffer, start: int, end: int) -> Iterator[tuple[Buffer, int, int]]:
    """Kind, start and end of the content of each box (ISO/IEC 14496-12, section 4.2)."""
    for _ in range(_MOST_BOXES):
        if start + 8 > min(end, len(data)):
            return
        size, kind = unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = unpack_from(">Q", data, start + 8)
            head = 16
        yield kind, start + head, start + size if size else end
        if size < head:  # 0: up to the end
            return
        start += size


def _length_of_webm(data: Buffer) -> float | None:
    """By the segment's Duration (RFC 9559, section 5.1.2), which recordings of browsers lack."""
    head = bytes(data[:_WEBM_HEADER])
    found, scaled = _DURATION.search(head), _SCALE.search(head)
    if found is None:
        return None
    scale = 1_000_000
    if scaled:
        scale = int.from_bytes(scaled["value"][: scaled["size"][0] & 0x7F], "big")
    short = found["short"]
    (duration,) = unpack_from(">f", short) if short else unpack_from(">d", found["long"])
    return float(duration * scale / _NANOSECONDS)


def _is_mp3_frame(data: Buffer, at: int = 0) -> bool:
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return False
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    bits, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    return version != 1 and layer == _LAYER_3 and 0 < bits < 15 and rate < 3


def _length_of_mp3(data: Buffer, size: int) -> float | None:
    """By the number of frames if the first one states it, else by bytes and bits a second."""
    start = 0
    if data.startswith(b"ID3"):  # ID3v2.4, section 3.1: 7 bits a byte
        start = 10 + sum((data[6 + each] & 0x7F) << 7 * (3 - each) for each in range(4))
    if not _is_mp3_frame(data, start):
        return None
    version, channels = data[start + 1] >> 3 & 3, data[start + 3] >> 6
    rate = _MP3_RATES[version][data[start + 2] >> 2 & 3]
    samples = 1152 if version == 3 else 576
    mono = channels == 3
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    tag = start + 4 + side
    if bytes(data[tag : tag + 4]) in {b"Xing", b"Info"} and data[tag + 7] & 1:
        (frames,) = unpack_from(">I", data, tag + 8)
        return float(frames * samples / rate)
    if data[start + 36 : start + 40] == b"VBRI":
        (frames,) = unpack_from(">I", data, start + 50)
        return float(frames * samples / rate)
    bits = (_MP3_BITS_1 if version == 3 else _MP3_BITS_2)[data[start + 2] >> 4]
    return (size - start) * 8 / (bits * 1000)
