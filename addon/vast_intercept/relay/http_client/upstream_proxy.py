"""The proxy through which Vast is reached, where mitmproxy itself goes through one."""

from typing import TypedDict
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from yarl import URL


class ProxyOptions(TypedDict, total=False):
    """What aiohttp's requests take."""

    proxy: URL
    proxy_auth: aiohttp.BasicAuth


class UpstreamProxy:
    """None, unless mitmproxy's mode is `upstream:`. `no_proxy` has its usual meaning."""

    def __init__(self) -> None:
        self._options = ProxyOptions()

    def use(self, url: str | None, auth: str | None) -> None:
        """From now on, with `auth` as `user:password`."""
        self._options = ProxyOptions()
        if url:
            self._options["proxy"] = URL(url)
            if auth:
                user, _, password = auth.partition(":")
                self._options["proxy_auth"] = aiohttp.BasicAuth(user, password, "utf-8")

    def options_for(self, url: URL) -> ProxyOptions:
        """What a request to the URL needs."""
        if not self._options or proxy_bypass_environment(url.authority):
            return ProxyOptions()
        return self._options
