"""The header `Retry-After`, as seconds."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """For how many seconds an answer with these headers asks to be left alone, if it does."""
    value = headers.get("retry-after")
    return parse_retry_after(value, datetime.now(UTC)) if value else None


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Seconds from `Retry-After` (RFC 9110, section 10.2.3), or None if it is neither of its forms.

    >>> parse_retry_after("120", datetime.now(UTC))
    120.0
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max((date - now).total_seconds(), 0.0)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None  # the email package raises all of these
