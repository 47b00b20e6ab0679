"""Numbers in words for people, as a rehearsal says them everywhere."""

import math


def counted(number: int, word: str) -> str:
    """A number of things, such as `1 call` or `1,234 calls`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def percent(share: float) -> str:
    """A share in percent. What is not all is not called 100 %, and what is not nothing not 0 %."""
    if share in {0, 1}:
        return f"{100 * share:.0f} %"
    value = min(max(100 * share, 0.1), 99.9)
    return f"{value:.1f} %" if value < 10 or value >= 99 else f"{value:.0f} %"


def in_dollars(amount: float | None) -> str:
    """An amount of US dollars, with as many digits as say something, or that it is not known.

    >>> in_dollars(12), in_dollars(0.000123456), in_dollars(1234.567), in_dollars(None)
    ('$12.00', '$0.000123', '$1,234.57', 'not known')
    """
    if amount is None:
        return "not known"
    if amount >= 10 or not amount:
        return f"${amount:,.2f}"
    if amount >= 0.1:
        return "$" + f"{amount:.3f}".removesuffix("0")
    digits = 2 - math.floor(math.log10(amount))
    if digits > 12:
        return "less than $0.000000000001"
    text = f"{amount:.{digits}f}".rstrip("0")
    return "$" + (text if len(text.partition(".")[2]) >= 2 else f"{amount:.2f}")


def duration(seconds: float) -> str:
    """A duration that may be hours.

    >>> duration(4.25), duration(3725)
    ('4.2 s', '1 h 2 min 5 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return (f"{hours:,} h " if hours else "") + f"{minutes} min {left} s"
