"""The HTTP client of the relay: the only room that knows aiohttp's client.

`client.py` sends requests over connections that are kept and shared, and `answer.py` is what comes
back. `aiohttp_errors.py` says in OpenAI's terms what aiohttp's exceptions mean. `far_clients.py`
keeps apps on other machines away from this one, and `upstream_proxy.py` is the proxy on the way to
Vast. The rest of the relay imports from this package alone, and sees nothing of aiohttp.
"""

from .answer import Explain, HttpAnswer, read_rest
from .client import HttpClient
from .upstream_proxy import UpstreamProxy

__all__ = ["Explain", "HttpAnswer", "HttpClient", "UpstreamProxy", "read_rest"]
