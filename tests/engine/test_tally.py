"""What became of calls, in numbers and in words."""

import pytest

from vast_intercept.status import Tally


class TestTally:
    @pytest.mark.parametrize(
        ("tally", "text"),
        [
            (Tally(), "0 calls, 0 tokens, 0 refused, 0 errors"),
            (
                Tally(calls=1, tokens=1, errors=1),
                "1 call, 1 token, 0 refused, 1 error",
            ),
            (
                Tally(calls=1, uncounted=1, streamed_tokens=6),
                (
                    "1 call, about 6 tokens in 1 stream (the app did not ask for the usage),"
                    " 0 refused, 0 errors"
                ),
            ),
            (
                Tally(calls=1234, tokens=56789, refused=2, uncounted=2, running=3),
                (
                    "1,234 calls, 56,789 tokens, about 0 tokens in 2 streams (the app did not ask"
                    " for the usage), 2 refused, 0 errors, 3 still running"
                ),
            ),
            (Tally(calls=2, texts=1), "2 calls, 1 text, 0 refused, 0 errors"),
            (
                Tally(calls=2, tokens=7, texts=1_200, images=1),
                "2 calls, 7 tokens, 1,200 texts, 1 image, 0 refused, 0 errors",
            ),
            (
                Tally(calls=3, characters=40, audio_seconds=1.25, images=2),
                ("3 calls, 40 characters spoken, 1.2 s of audio, 2 images, 0 refused, 0 errors"),
            ),
        ],
    )
    def test_text(self, tally: Tally, text: str) -> None:
        assert str(tally) == text

    def test_since(self) -> None:
        before = Tally(calls=2, tokens=10, refused=1)
        now = Tally(calls=5, tokens=30, refused=1, errors=1, running=2)
        assert now.since(before) == Tally(calls=3, tokens=20, errors=1, running=2)
