"""mitmproxy's server replay (`-S`), of recordings whose URLs are those of Vast."""

from collections.abc import Callable, Hashable

from mitmproxy import ctx, http
from mitmproxy.addons.serverplayback import ServerPlayback


def match_asked_urls(asked: Callable[[http.HTTPFlow], str | None]) -> None:
    """Has server replay find answers by the URL that an app asked for, where `asked` knows one.

    A recorded flow shows where its call went, and a new one where it is to go (FACTS M33).
    """
    playback = ctx.master.addons.get("serverplayback")
    if not isinstance(playback, ServerPlayback):
        return

    def hash_of(flow: http.HTTPFlow) -> Hashable:
        url = asked(flow)
        if url is not None:
            shown, flow = flow, http.HTTPFlow(flow.client_conn, flow.server_conn)
            flow.request = shown.request.copy()
            flow.request.url = url
        return ServerPlayback._hash(playback, flow)  # noqa: SLF001

    playback._hash = hash_of  # type: ignore[method-assign]  # noqa: SLF001
    if playback.flowmap:
        playback.recompute_hashes()
