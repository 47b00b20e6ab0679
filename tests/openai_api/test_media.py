"""Images and audio, made by Pillow 12, libsndfile and FFmpeg 8."""

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.openai_api.media import Media, media_of

FOLDER = Path(__file__).parent / "media_files"
FILES = sorted(path.name for path in FOLDER.iterdir())
PICTURES = {
    "picture.png": "PNG",
    "picture.jpg": "JPEG",
    "picture.gif": "GIF",
    "lossy.webp": "WebP",
    "lossless.webp": "WebP",
    "transparent.webp": "WebP",
}
# Encoders add up to two frames to what they get, which is a quarter of a second.
SOUNDS = {
    "tone.wav": ("WAV", 0.25),
    "tone.flac": ("FLAC", 0.25),
    "tone.mp3": ("MP3", 0.324),
    "info.mp3": ("MP3", 0.288),
    "opus.ogg": ("Ogg", 0.25),
    "vorbis.ogg": ("Ogg", 0.25),
    "tone.m4a": ("M4A", 0.25),
    "tone.mp4": ("MP4", 0.25),
    "tone.webm": ("WebM", 0.258),
    "tone.aac": ("AAC", None),
}


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def test_each_file_is_expected_to_be_something() -> None:
    assert set(FILES) == {*PICTURES, *SOUNDS}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_a_size(name: str) -> None:
    assert media_of(read(name)) == Media("image", PICTURES[name], 31, 17)


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_has_a_length(name: str) -> None:
    sound = media_of(read(name))
    assert sound
    kind, seconds = SOUNDS[name]
    assert (sound.kind, sound.format) == ("audio", kind)
    assert sound.seconds == (pytest.approx(seconds, abs=0.001) if seconds else None)


@pytest.mark.parametrize("name", ["tone.wav", "tone.flac", "tone.mp3", "info.mp3", "tone.webm"])
def test_the_beginning_of_a_sound_and_its_size_tell_the_length(name: str) -> None:
    data = read(name)
    assert media_of(data[:600], len(data)) == media_of(data)


@pytest.mark.parametrize("name", ["opus.ogg", "tone.m4a"])
def test_a_length_at_the_end_of_a_file_is_not_guessed_from_its_beginning(name: str) -> None:
    data = read(name)
    beginning = media_of(data[:600], len(data))
    assert beginning
    assert beginning.seconds is None


def wav(data_size: int, *, there: int, rate: int = 32_000) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate // 2, rate, 2, 16)
    head = b"RIFF" + b"\xff" * 4 + b"WAVE" + form + struct.pack("<4sI", b"data", data_size)
    return head + bytes(there)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 64_000])
def test_a_wav_that_was_streamed_is_as_long_as_what_is_there(size: int) -> None:
    sound = media_of(wav(size, there=64_000))
    assert sound
    assert sound.seconds == 2.0


def test_a_length_that_no_sound_has_is_not_believed() -> None:
    for absurd in (wav(64_000, there=64_000, rate=0), webm(float("nan")), webm(1e300), webm(-5.0)):
        sound = media_of(absurd)
        assert sound
        assert sound.seconds is None


def webm(duration: float) -> bytes:
    return b"\x1a\x45\xdf\xa3" + b"\x44\x89\x88" + struct.pack(">d", duration)


def test_a_jpeg_with_metadata_longer_than_its_beginning_has_no_size() -> None:
    data = read("picture.jpg")
    longer = data[:2] + b"\xff\xe1\xff\xff" + bytes(0xFFFD) + data[2:]
    assert media_of(longer) == Media("image", "JPEG", 31, 17)
    assert media_of(longer[:1000], len(longer)) == Media("image", "JPEG")


@pytest.mark.parametrize("data", [b"", b"hello", b"{}", b"\xff\xfe", b"RIFF", bytes(100)])
def test_anything_else_is_no_media(data: bytes) -> None:
    assert media_of(data) is None


@given(st.sampled_from(FILES), st.randoms(use_true_random=False))
def test_it_never_fails_whatever_a_header_says(name: str, chance: random.Random) -> None:
    data = bytearray(read(name)[: chance.randrange(1, 2_000)])
    for _ in range(chance.randrange(5)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    found = media_of(data, chance.choice([0, len(data), 10**12]))
    assert found is None or isinstance(found, Media)


@given(st.binary(max_size=200))
def test_it_never_fails_on_any_bytes(data: bytes) -> None:
    media_of(data)
