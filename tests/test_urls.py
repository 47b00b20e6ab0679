"""Where URLs lead."""

import pytest

from vast_intercept.urls import Place, place_of, proxy_url


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://openai.vast.ai", Place("https", "openai.vast.ai", 443)),
        ("http://Example.com/v1?a=b", Place("http", "example.com", 80)),
        ("https://[::1]:8443/", Place("https", "::1", 8443)),
        ("https://user:password@host", Place("https", "host", 443)),
        ("socks5://host", Place("socks5", "host", 0)),
        ("http://host:0", Place("http", "host", 0)),
        ("", Place("", "", 0)),
        ("/v1", Place("", "", 0)),
    ],
)
def test_a_place_is_scheme_host_and_port(url: str, place: Place) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize("url", ["http://host:port", "http://host:65536", "http://[::1"])
def test_a_malformed_place_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        place_of(url)


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    assert [str(place_of(url)) for url in ("https://[::1]", "http://host:8080")] == [
        "[::1]:443",
        "host:8080",
    ]


def test_a_proxy_without_a_scheme_is_http() -> None:
    assert proxy_url("host:3128") == "http://host:3128"
    assert proxy_url("https://host:3128") == "https://host:3128"
