"""Whom a request is for: what the connection was made to, and never what a header says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow

from vast_intercept.config import built_in_providers
from vast_intercept.config.providers import own_provider
from vast_intercept.intercept.destination import destination_of

PROVIDERS = (
    built_in_providers()["openai"],
    own_provider("own", "10.1.2.3", 8000, "/v1", "http"),
    own_provider("six", "[2001:db8::1]", 8000, "/v1", "http"),
    own_provider("abroad", "bücher.example", None, "/v1", "https"),
)
ADDRESS = "192.0.2.7"


def flow_to(
    host: str,
    *headers: tuple[bytes, bytes],
    port: int = 443,
    sni: str | None = None,
    authority: bytes = b"",
    mode: str = "regular",
    version: bytes = b"HTTP/1.1",
) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.request = http.Request(
        host, port, b"POST", b"https", authority, b"/v1/x", version, headers, b"", None, 0, 0
    )
    flow.client_conn.sni = sni
    flow.client_conn.proxy_mode = ProxyMode.parse(mode)
    return flow


def named(host: bytes) -> tuple[bytes, bytes]:
    return b"Host", host


AGREE: list[tuple[str, http.HTTPFlow, str, str]] = [
    ("no Host", flow_to("api.openai.com"), "openai", "api.openai.com"),
    ("an empty one", flow_to("api.openai.com", named(b"")), "openai", "api.openai.com"),
    ("the same", flow_to("api.openai.com", named(b"api.openai.com")), "openai", "api.openai.com"),
    ("any case", flow_to("API.openai.com", named(b"api.OpenAI.com.")), "openai", "API.openai.com"),
    ("a port", flow_to("api.openai.com", named(b"api.openai.com:443")), "openai", "api.openai.com"),
    ("an address", flow_to("10.1.2.3", named(b"10.1.2.3:8000"), port=8000), "own", "10.1.2.3"),
    ("no port", flow_to("10.1.2.3", named(b"10.1.2.3"), port=8000), "own", "10.1.2.3"),
    ("IPv6", flow_to("2001:db8::1", named(b"[2001:DB8:0::1]"), port=8000), "six", "2001:db8::1"),
    (
        "IDNA",
        flow_to("bücher.example", named(b"xn--bcher-kva.example")),
        "abroad",
        "bücher.example",
    ),
    (
        "HTTP/2",
        flow_to("api.openai.com", authority=b"api.openai.com", version=b"HTTP/2.0"),
        "openai",
        "api.openai.com",
    ),
    (
        "SNI",
        flow_to(ADDRESS, named(b"api.openai.com"), sni="api.openai.com"),
        "openai",
        "api.openai.com",
    ),
    ("SNI alone", flow_to(ADDRESS, sni="api.openai.com"), "openai", "api.openai.com"),
    ("no SNI", flow_to(ADDRESS, named(b"api.openai.com"), port=80), "openai", "api.openai.com"),
    (
        "reverse",
        flow_to("api.openai.com", named(b"localhost:8080"), mode="reverse:https://api.openai.com"),
        "openai",
        "api.openai.com",
    ),
]


@pytest.mark.parametrize(
    ("flow", "provider", "host"), [row[1:] for row in AGREE], ids=[row[0] for row in AGREE]
)
def test_a_request_is_for_the_host_of_its_connection(
    flow: http.HTTPFlow, provider: str, host: str
) -> None:
    found = destination_of(flow, PROVIDERS)
    assert found.provider
    assert (found.provider.name, found.parts[1], found.problem) == (provider, host, None)


DISAGREE: list[tuple[str, http.HTTPFlow, int]] = [
    ("loopback", flow_to("api.openai.com", named(b"127.0.0.1")), 421),
    ("a name of loopback", flow_to("api.openai.com", named(b"localhost:9443")), 421),
    ("another port", flow_to("api.openai.com", named(b"api.openai.com:9443")), 421),
    ("the other way round", flow_to("elsewhere.example", named(b"api.openai.com")), 421),
    ("SNI of a provider's", flow_to("elsewhere.example", sni="api.openai.com"), 421),
    ("not that of SNI", flow_to(ADDRESS, named(b"localhost"), sni="api.openai.com"), 421),
    ("two", flow_to("api.openai.com", named(b"api.openai.com"), named(b"localhost")), 400),
    ("two alike", flow_to("api.openai.com", *[named(b"api.openai.com")] * 2), 400),
    ("user", flow_to("api.openai.com", named(b"api.openai.com@localhost")), 400),
    ("blanks", flow_to("api.openai.com", named(b"api.openai.com localhost")), 400),
    ("no text", flow_to("api.openai.com", named(b"\xff\xfe")), 400),
    ("a long label", flow_to("api.openai.com", named(b"x" * 64 + b".api.openai.com")), 400),
    ("absolute form", flow_to("api.openai.com", authority=b"localhost:9443"), 421),
    (
        "HTTP/2",
        flow_to("api.openai.com", authority=b"localhost", version=b"HTTP/2.0"),
        421,
    ),
    (
        "HTTP/2 with Host",
        flow_to(
            "api.openai.com", named(b"localhost"), authority=b"api.openai.com", version=b"HTTP/2.0"
        ),
        421,
    ),
]


@pytest.mark.parametrize(
    ("flow", "status"), [row[1:] for row in DISAGREE], ids=[row[0] for row in DISAGREE]
)
def test_a_request_that_names_another_host_is_refused(flow: http.HTTPFlow, status: int) -> None:
    found = destination_of(flow, PROVIDERS)
    assert found.provider
    assert found.problem
    assert found.problem.status == status
    assert found.parts[1] == flow.request.host or flow.request.host == ADDRESS
    found.problem.body()


@pytest.mark.parametrize(
    "flow",
    [
        flow_to("elsewhere.example", named(b"elsewhere.example")),
        flow_to("elsewhere.example", named(b"\xff")),
        flow_to(ADDRESS, named(b"elsewhere.example"), sni="elsewhere.example"),
        flow_to(ADDRESS, named(b"api.openai.com"), mode=f"reverse:https://{ADDRESS}"),
    ],
)
def test_other_hosts_are_no_provider_s(flow: http.HTTPFlow) -> None:
    found = destination_of(flow, PROVIDERS)
    assert (found.provider, found.problem) == (None, None)


TEXTS: Any = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(lambda text: text.encode(errors="surrogatepass")),
    st.builds(lambda size: b"x" * size + b".api.openai.com", st.integers(0, 300)),
)
HOSTS: Any = st.one_of(
    st.text(max_size=300),
    st.builds(lambda size: "é" * size + ".api.openai.com", st.integers(0, 99)),
)


@given(
    HOSTS, TEXTS, TEXTS, st.one_of(st.none(), HOSTS), st.sampled_from([b"HTTP/1.1", b"HTTP/2.0"])
)
def test_any_text_may_stand_for_a_host(
    host: str, header: bytes, authority: bytes, sni: str | None, version: bytes
) -> None:
    for each in (host, "api.openai.com", ADDRESS):
        flow = flow_to(each, named(header), sni=sni, authority=authority, version=version)
        found = destination_of(flow, PROVIDERS)
        if found.problem:
            found.problem.body()
