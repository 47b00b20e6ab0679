"""The proxy that the environment names already: what is read, and what mitmproxy makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.proxy.mode_specs import ProxyMode, UpstreamMode

from vast_intercept.launch.named_proxy import NamedProxy, NamedProxyError, named_proxy

PASSWORD = "s3cret"

#: Value of the variable: scheme and address for mitmproxy, user and password.
PROXIES = {
    "proxy.example:3128": ("http", ("proxy.example", 3128), None),
    "proxy.example": ("http", ("proxy.example", 80), None),
    "http://proxy.example:3128/": ("http", ("proxy.example", 3128), None),
    "  http://proxy.example:3128 ": ("http", ("proxy.example", 3128), None),
    "HTTP://Proxy.Example:3128": ("http", ("proxy.example", 3128), None),
    "https://proxy.example": ("https", ("proxy.example", 443), None),
    "https://proxy.example:8443": ("https", ("proxy.example", 8443), None),
    "http://192.0.2.1:3128": ("http", ("192.0.2.1", 3128), None),
    "http://[2001:db8::1]:3128": ("http", ("2001:db8::1", 3128), None),
    "[2001:db8::1]:3128": ("http", ("2001:db8::1", 3128), None),
    "http://[::1]": ("http", ("::1", 80), None),
    "http://under_score:1": ("http", ("under_score", 1), None),
    "http://me:word@proxy.example:1": ("http", ("proxy.example", 1), "me:word"),
    "me:word@proxy.example:1": ("http", ("proxy.example", 1), "me:word"),
    "http://me@proxy.example:1": ("http", ("proxy.example", 1), "me:"),
    "http://me:p%40%2F%3A%25@[::1]:1": ("http", ("::1", 1), "me:p@/:%"),
    "http://DOMAIN%5Cme:w%C3%B6rd@a:1": ("http", ("a", 1), "DOMAIN\\me:wörd"),
    "http://me:p@ss@proxy.example:1": ("http", ("proxy.example", 1), "me:p@ss"),
}

#: What may be there, with a password that must not be told.
UNUSABLE = [
    f"http://me:{PASSWORD}@",
    f"http://me:{PASSWORD}@:3128",
    f"http://me:{PASSWORD}@proxy.example:port",
    f"http://me:{PASSWORD}@proxy.example:0",
    f"http://me:{PASSWORD}@proxy.example:65536",
    f"http://me:{PASSWORD}@[::1",
    f"http://me:{PASSWORD}/#@proxy.example:3128",
    f"http://me:12/{PASSWORD}@proxy.example:3128",
    f"http://me:{PASSWORD}@two words:3128",
    f"http://me:{PASSWORD}@%",
    f"ftp://me:{PASSWORD}@proxy.example:21",
    f"quic://me:{PASSWORD}@proxy.example:443",
    f"unix:///run/{PASSWORD}",
    f"ask {PASSWORD} for it",
    f"://{PASSWORD}:1",
    "direct://",
]


@pytest.mark.parametrize("value", PROXIES)
def test_mitmproxy_takes_what_is_read(value: str) -> None:
    scheme, address, auth = PROXIES[value]
    proxy = named_proxy({"https_proxy": value})
    assert proxy
    assert proxy.auth == auth
    flag, mode, *rest = proxy.arguments()
    parsed = ProxyMode.parse(mode)
    assert flag == "--mode"
    assert isinstance(parsed, UpstreamMode)
    assert (parsed.scheme, parsed.address) == (scheme, address)
    assert rest == (["--set", f"upstream_auth={auth}"] if auth else [])
    assert "word" not in mode


@pytest.mark.parametrize("value", UNUSABLE)
def test_what_cannot_be_used_is_not_repeated(value: str) -> None:
    with pytest.raises(NamedProxyError) as error:
        named_proxy({"ALL_PROXY": value})
    assert str(error.value) == (
        "ALL_PROXY is not the URL of a proxy, such as http://proxy.example:3128."
    )


@pytest.mark.parametrize("scheme", ["socks", "socks4", "socks4a", "socks5", "socks5h", "SOCKS5"])
def test_socks_is_told_apart(scheme: str) -> None:
    with pytest.raises(NamedProxyError) as error:
        named_proxy({"https_proxy": f"{scheme}://me:{PASSWORD}@proxy.example:1080"})
    assert "https_proxy names a SOCKS proxy" in str(error.value)
    assert "Unset https_proxy" in str(error.value)
    assert PASSWORD not in str(error.value)


@given(st.text())
def test_any_text_is_a_proxy_or_an_error(value: str) -> None:
    said = ""
    proxy = None
    try:
        proxy = named_proxy({"https_proxy": value})
    except NamedProxyError as error:
        said = str(error)
    assert len(value) < 6 or value not in said
    assert said or (proxy is None) == (not value.strip())


class TestPrecedence:
    ORDER = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")

    @pytest.mark.parametrize("position", range(4))
    def test_the_more_particular_one_wins(self, position: int) -> None:
        named = self.ORDER[position:]
        environ = {name: f"http://proxy.example:{len(name)}" for name in reversed(named)}
        expected = NamedProxy(named[0], f"http://proxy.example:{len(named[0])}")
        assert named_proxy(environ) == expected

    def test_an_empty_one_is_none(self) -> None:
        environ = {"https_proxy": "", "HTTPS_PROXY": "  ", "all_proxy": "a:1"}
        assert named_proxy(environ) == NamedProxy("all_proxy", "http://a:1")

    @pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "no_proxy", "Https_Proxy"])
    def test_others_are_not_for_https(self, name: str) -> None:
        assert named_proxy({name: "http://a:1"}) is None

    def test_an_unusable_one_is_not_passed_over(self) -> None:
        """Or calls would go where the user did not mean them to go."""
        with pytest.raises(NamedProxyError, match=r"^https_proxy "):
            named_proxy({"https_proxy": "http://", "ALL_PROXY": "http://a:1"})
