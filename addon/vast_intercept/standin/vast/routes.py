"""What workers serve, in the words of Vast's template: its variable `OPENAI_ROUTES` lists paths.

Unlike that variable, which replaces what is served by default, these come on top of it.
"""

from collections.abc import Iterable

from ..model_server.listed.routes import ROUTES

DEFAULT_ROUTES = frozenset(("/v1/chat/completions", "/v1/completions"))


class UnknownRouteError(ValueError):
    """No such route, or no such endpoint."""


def read_routes(texts: Iterable[str], endpoints: Iterable[str]) -> dict[str, frozenset[str]]:
    """The routes of each endpoint, from texts such as `/v1/embeddings,/v1/rerank`.

    A text counts for all endpoints, or for one: `embedder=/v1/embeddings`. Raises
    UnknownRouteError.
    """
    routes: dict[str, frozenset[str]] = dict.fromkeys(endpoints, frozenset())
    for text in texts:
        endpoint, named, paths = text.rpartition("=")
        if named and endpoint not in routes:
            raise UnknownRouteError(f"there is no endpoint {endpoint!r}")
        for each in (endpoint,) if named else tuple(routes):
            routes[each] |= known(paths.split(","))
    return routes


def known(paths: Iterable[str]) -> frozenset[str]:
    """These paths. Raises UnknownRouteError if the stand-in does not know one."""
    stripped = frozenset(path.strip() for path in paths if path.strip())
    if unknown := stripped - ROUTES:
        listed = ", ".join(sorted(ROUTES))
        raise UnknownRouteError(f"there is no route {min(unknown)!r}, only {listed}")
    return stripped
