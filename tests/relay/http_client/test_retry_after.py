"""Retry-After, in whatever form a server sends it."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vast_intercept.relay.http_client.retry_after import parse_retry_after

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 7 ", 7),
        ("86400", 86_400),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Monday, 23-Nov-26 12:00:30 GMT", 30),  # RFC 850, which RFC 9110 still wants understood
        ("Mon Nov 23 12:00:30 2026", 30),  # asctime
        ("Tue, 24 Nov 2026 12:00:00 GMT", 86_400),
        ("Sun, 22 Nov 2026 12:00:00 GMT", 0),  # past
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("١٢", None),
        ("9" * 400, 999_999_999_999),
        ("Mon, 99 Nov 2026 99:00:30 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("Mon, 01 Jan 0001 00:00:00 +2300", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


PARTS_OF_DATES = (
    *("Mon", "Mon,", "Jan", "1-Jan-24", "01", "31", "99", "0001", "2024", "9999"),
    *("00:00:00", "23:59:60", "1.2.3", "24:", "GMT", "EST", "Z", "+0000", "-2359", "+9999"),
    *("+" + 20 * "9", "-1", "+", "-", ":", ",", ".", "(", ")"),
)
DATES = st.lists(st.sampled_from(PARTS_OF_DATES) | st.integers().map(str), max_size=9).map(" ".join)


@given(st.text() | DATES)
@settings(max_examples=1_000)
@example("1" * 5_000 + " Jan 2024 00:00:00 GMT")
def test_retry_after_may_be_anything(value: str) -> None:
    parsed = parse_retry_after(value, NOW)
    assert parsed is None or parsed >= 0
