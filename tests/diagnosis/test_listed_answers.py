"""What the check says of an answer, and which answers it takes for none."""

import base64
import json
import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any
from wave import open as open_wave

import pytest

from vast_intercept.diagnosis.findings import Problem
from vast_intercept.diagnosis.listed_answers import (
    Received,
    read_embeddings,
    read_image,
    read_ranking,
    read_score,
    read_speech,
    read_transcript,
)
from vast_intercept.diagnosis.samples import red_square, second_of_sound
from vast_intercept.openai_api.media import media_of

PNG = base64.b64encode(red_square(16)).decode()


def said(read: Callable[[Received], str], answer: Any) -> str:
    """What is said of an answer in JSON."""
    return read(Received(json.dumps(answer).encode(), "application/json", 0.08))


@pytest.mark.parametrize(
    ("read", "answer", "words"),
    [
        (
            read_embeddings,
            {"data": [{"embedding": [0.5, 1]}, {"embedding": [1, 0.5]}]},
            "2 texts, 2 numbers each",
        ),
        (
            read_embeddings,
            {"data": [{"embedding": base64.b64encode(struct.pack("<3f", 1, 2, 3)).decode()}]},
            "1 text, 3 numbers each",
        ),
        (
            read_ranking,
            {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0}]},
            "2 documents, number 2 is the nearest (0.90)",
        ),
        (read_score, {"data": [{"score": 0.254}]}, "a score of 0.25"),
        (read_transcript, {"text": "you\x1b[31m"}, "a second of audio, heard as 'you [31m'"),
        (
            read_image,
            {"data": [{"b64_json": PNG}]},
            f"one image, 16 x 16 pixels, {len(red_square(16))} bytes of PNG",
        ),
        (
            read_image,
            {"data": [{"url": f"data:image/png;base64,{PNG}"}]},
            f"one image, 16 x 16 pixels, {len(red_square(16))} bytes of PNG",
        ),
    ],
)
def test_what_came_is_said(read: Callable[[Received], str], answer: Any, words: str) -> None:
    assert said(read, answer) == words


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (read_embeddings, {"data": []}),
        (read_embeddings, {"data": [{"embedding": [1]}, {"embedding": [1, 2]}]}),
        (read_embeddings, {"data": [{"embedding": []}]}),
        (read_embeddings, {"data": [{"embedding": "no base64"}]}),
        (read_embeddings, {"data": [{"embedding": "é"}]}),
        (read_ranking, {"results": []}),
        (read_score, {"data": [{}]}),
        (read_transcript, {}),
        (read_image, {"data": [{}]}),
        (read_image, {"data": [{"url": "https://picture.example/1.png"}]}),
        (read_image, {"data": [{"b64_json": base64.b64encode(b"no image").decode()}]}),
        (read_image, {"data": [{"b64_json": base64.b64encode(second_of_sound()).decode()}]}),
    ],
)
def test_an_answer_that_is_none_is_a_problem(read: Callable[[Received], str], answer: Any) -> None:
    with pytest.raises(Problem):
        said(read, answer)


def test_speech_is_bytes_of_sound() -> None:
    assert read_speech(Received(b"ID3", "audio/mpeg", 0.0801)) == (
        "3 bytes of audio/mpeg, the first after 80 ms"
    )
    for body, kind in ((b"", "audio/mpeg"), (b"{}", "application/json"), (b"x", "")):
        with pytest.raises(Problem):
            read_speech(Received(body, kind, 0))


def test_the_samples_are_what_they_are_said_to_be() -> None:
    with open_wave(BytesIO(second_of_sound())) as sound:
        assert sound.getnframes() == sound.getframerate()
    picture = media_of(red_square(64))
    assert picture
    assert (picture.format, picture.width, picture.height) == ("PNG", 64, 64)
