"""Functions that mitmproxy has for its own use, borrowed as they are (FACTS M56)."""

from mitmproxy.net.check import is_valid_host
from mitmproxy.net.encoding import encode
from mitmproxy.net.http.url import hostport, parse_authority
from mitmproxy.net.http.url import parse as parse_url
from mitmproxy.utils.human import format_address, parse_size

__all__ = ["encode", "format_address", "hostport", "is_valid_host"]
__all__ += ["parse_authority", "parse_size", "parse_url"]
