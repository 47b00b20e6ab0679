"""The HTTP client of the relay: the only room that knows aiohttp's client.

`client.py` sends requests over connections that are kept and shared, and has what comes back.
`aiohttp_errors.py` says in OpenAI's terms what aiohttp's exceptions mean, and `far_clients.py`
keeps apps on other machines away from this one. The rest of the relay imports from this package
alone, and sees nothing of aiohttp.
"""

from .client import Explain, HttpAnswer, HttpClient, UpstreamProxy, read_rest

__all__ = ["Explain", "HttpAnswer", "HttpClient", "UpstreamProxy", "read_rest"]
