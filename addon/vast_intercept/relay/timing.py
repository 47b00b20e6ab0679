"""When a call got how far."""

from dataclasses import dataclass


@dataclass(slots=True)
class Timing:
    """Moments by the clock of `time.perf_counter`, in seconds; None for what has not happened."""

    #: The app's whole request was there.
    received: float | None = None
    #: A person may have held it since.
    held: bool = False
    #: It was sent on, the last time that it was.
    sent: float | None = None
    #: The answer began: of a stream, its first bytes came. vLLM sends the head of a stream at once,
    #: and the first event together with the first token.
    first_byte: float | None = None
    last_byte: float | None = None
    #: The first bytes of the answer left for the app.
    passed_on: float | None = None
    #: The longest time between two pieces of a stream, in seconds.
    longest_gap: float = 0.0
    #: Events of a stream so far. vLLM sends one for each token, and two or three more.
    events: int = 0
