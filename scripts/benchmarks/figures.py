"""Figures made of the measurements, one value for each round."""

from .load import Figure
from .measure import Results
from .ways import ADDON, BARE, DIRECT, SERVE, SERVERLESS

#: What each way is called.
TITLES = {
    DIRECT: "direct",
    BARE: "bare mitmdump",
    SERVE: "vast-intercept serve",
    ADDON: "addon in mitmdump",
    SERVERLESS: "serve, serverless",
}


def ratios_to_bare(results: Results, figure: Figure, way: str) -> list[float]:
    """The ratios of a way to bare mitmdump."""
    rows = results.figures[figure]
    return [ours / bare for ours, bare in zip(rows[way], rows[BARE], strict=True)]


def difference(results: Results, figure: Figure, way: str, than: str) -> list[float]:
    """How much more a way takes than another one."""
    rows = results.figures[figure]
    return [ours - other for ours, other in zip(rows[way], rows[than], strict=True)]


def ratios_to_direct(results: Results, way: str) -> list[float]:
    """The ratios of a way to the direct one, over the slow link."""
    rows = results.figures[Figure.SLOW]
    return [ours / direct for ours, direct in zip(rows[way], rows[DIRECT], strict=True)]


def watching_difference(results: Results, figure: Figure) -> list[float]:
    """How much more mitmweb takes with a page open than without one."""
    watching = results.watching
    pairs = zip(watching.watched[figure], watching.unwatched[figure], strict=True)
    return [watched - unwatched for watched, unwatched in pairs]


def jail_ratios(results: Results, figure: Figure) -> list[float]:
    """The ratios of the jail to the plain proxy."""
    wrapper = results.wrapper
    pairs = zip(wrapper.jailed[figure], wrapper.plain[figure], strict=True)
    return [jailed / plain for jailed, plain in pairs]
