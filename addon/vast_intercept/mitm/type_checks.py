"""mitmproxy's check of the types in each message, made once for each combination (FACTS M62)."""

from collections.abc import Callable

from mitmproxy import http

_checked: set[tuple[type, ...]] = set()

# Python leaves mitmproxy's check out with -O.
_mitmproxys: Callable[[http.MessageData], None] | None = getattr(
    http.MessageData, "__post_init__", None
)


def install() -> None:
    """Has mitmproxy check each combination of types once. Calling it again has no effect."""
    if _mitmproxys:
        http.MessageData.__post_init__ = _check  # type: ignore[method-assign]


def _check(data: http.MessageData) -> None:
    types = (type(data), *map(type, vars(data).values()))
    if types not in _checked and _mitmproxys:
        _mitmproxys(data)  # raises TypeError
        _checked.add(types)
