"""What became of calls, in numbers and in words."""

import pytest
from msgspec import structs

from vast_intercept.engine import running
from vast_intercept.engine.running import RunningInterceptor
from vast_intercept.status import Recorded, Status, Tally


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


class TestRecorded:
    @pytest.mark.parametrize(
        ("recorded", "text"),
        [
            (Recorded(file="f"), "recorded 0 calls"),
            (
                Recorded(file="f", operations={"embeddings": 1}),
                "recorded 1 call (1 embeddings) in f",
            ),
            (
                Recorded(
                    file="f",
                    operations={"embeddings": 2, "chat/completions": 1_200, "audio": 2},
                    without_answer=1,
                    left_out={"too large": 3, "still running": 1},
                ),
                (
                    "recorded 1,204 calls (1,200 chat/completions, 2 audio, 2 embeddings) in f, 1"
                    " without the answer, which was too large; not recorded: 3 too large, 1 still"
                    " running"
                ),
            ),
        ],
    )
    def test_text(self, recorded: Recorded, text: str) -> None:
        assert str(recorded) == text

    def test_the_next_step_can_be_copied(self) -> None:
        recorded = Recorded(file="my calls")
        assert recorded.next_step == ""
        recorded.add("models")
        assert recorded.next_step == ". Next: vast-intercept rehearse 'my calls'"

    def test_counts_of_an_interceptor_that_ran_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        empty = Status("1", 1, [], [], "", "", "", [], [], Tally(calls=9))
        now = Recorded(file="f", operations={"models": 1}, left_out={"too large": 1})
        then = Recorded(
            file="f",
            operations={"models": 3, "audio": 1},
            left_out={"too large": 1},
            without_answer=1,
        )
        told = iter([structs.replace(empty, recorded=each) for each in (now, then)])
        monkeypatch.setattr(running, "ask_status", lambda port: next(told))
        interceptor = RunningInterceptor(8080)
        interceptor.wait_until_ready()
        assert interceptor.stop() == Recorded(
            file="f", operations={"models": 2, "audio": 1}, without_answer=1
        )
