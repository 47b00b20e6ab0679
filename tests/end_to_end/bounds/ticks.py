"""What `ticker.py` wrote: for how long the event loop was held up."""

from pathlib import Path

import httpx

from ...harness import Interceptor

#: The addon that writes it.
TICKER = Path(__file__).with_name("ticker.py")
#: Milliseconds for which nothing may hold up the event loop.
LONGEST = 50.0


def longest(interceptor: Interceptor, ticks: Path, seen: int) -> float:
    """For how long the event loop was held up since there were so many lines."""
    with httpx.Client(proxy=interceptor.url, trust_env=False, timeout=60) as client:
        client.get("http://vast-intercept.internal/status")  # it has come round once more
    lines = ticks.read_text().splitlines()[seen:]
    return max((float(line.split()[0]) for line in lines), default=0.0)
