"""What is read in a shell's variables."""

from pathlib import Path

import pytest
import trustme

from vast_intercept.certificates.own_ca import CertificateAuthority, read_ca
from vast_intercept.diagnosis import shell

URL = "https://api.openai.com/v1/chat/completions"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return read_ca(path)


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTPS_PROXY": "http://127.0.0.1:8080"},
        {"https_proxy": "http://localhost:8080/"},
        {"HTTPS_PROXY": "127.0.0.1:8080"},
        {"all_proxy": "http://127.0.0.1:8080"},
        {"HTTPS_PROXY": "http://127.0.0.1:8080", "no_proxy": "localhost,.example.org"},
        {"HTTPS_PROXY": "http://127.0.0.1:8080", "ALL_PROXY": "http://proxy.example:1"},
    ],
)
def test_proxies_that_lead_there(environ: dict[str, str]) -> None:
    assert list(shell.proxy_problems(environ, URL, 8080, {"127.0.0.1"})) == []


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "HTTPS_PROXY is not set"),
        ({"HTTP_PROXY": "http://127.0.0.1:8080"}, "HTTPS_PROXY is not set"),
        ({"HTTPS_PROXY": "http://127.0.0.1:8081"}, "HTTPS_PROXY leads to http://127.0.0.1:8081"),
        ({"HTTPS_PROXY": "http://proxy.example:8080"}, "leads to http://proxy.example:8080, not"),
        ({"HTTPS_PROXY": "https://127.0.0.1:8080"}, "the interceptor's proxy is http://"),
        ({"HTTPS_PROXY": "socks5://127.0.0.1:8080"}, "the interceptor's proxy is http://"),
        ({"HTTPS_PROXY": "http://a:b@[::1"}, "HTTPS_PROXY is not the URL of a proxy"),
        ({"all_proxy": "http://me:word@proxy.example:1"}, "all_proxy leads to http://***@proxy"),
    ],
)
def test_proxies_that_do_not(environ: dict[str, str], told: str) -> None:
    (problem,) = shell.proxy_problems(environ, URL, 8080, {"127.0.0.1"})
    assert told in problem
    assert "word" not in problem


def test_an_interceptor_for_every_address_has_all_of_this_machine() -> None:
    environ = {"HTTPS_PROXY": "http://127.8.8.8:8080"}
    assert list(shell.proxy_problems(environ, URL, 8080, {"0.0.0.0"})) == []
    environ = {"HTTPS_PROXY": "http://203.0.113.7:8080"}
    assert len(list(shell.proxy_problems(environ, URL, 8080, {"0.0.0.0"}))) == 1


@pytest.mark.parametrize(
    ("no_proxy", "entries"),
    [
        ("", []),
        ("localhost, 127.0.0.1,example.org", []),
        ("localhost, api.openai.com", ["api.openai.com"]),
        ("openai.com,*", ["openai.com", "*"]),
    ],
)
def test_hosts_that_are_called_directly(no_proxy: str, entries: list[str]) -> None:
    assert shell.excluding(no_proxy, URL) == entries


def test_files_of_cas(ca: CertificateAuthority, tmp_path: Path) -> None:
    public = trustme.CA().cert_pem.bytes()
    bundle = tmp_path / "bundle.pem"
    # Lines of another length are the same certificate.
    bundle.write_bytes(public + ca.path.read_bytes().replace(b"\n", b"\r\n"))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.pem").write_bytes(public)
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    assert list(shell.ca_problems(dict.fromkeys(names, str(bundle)), ca)) == []
    (problem,) = shell.ca_problems(dict.fromkeys(names, str(folder)), ca)
    assert problem == f"{', '.join(names)} name {folder}, which does not hold the interceptor's CA"
    (folder / "b.pem").write_bytes(ca.path.read_bytes())
    assert list(shell.ca_problems(dict.fromkeys(names, str(folder)), ca)) == []


def test_what_matters_to_some(ca: CertificateAuthority, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().cert_pem.bytes())
    environ = {
        "SSL_CERT_FILE": str(ca.path),
        "DENO_CERT": str(other),
        "OPENAI_BASE_URL": "https://me:word@llm.example/v1",
        "NODE_USE_ENV_PROXY": "1",
    }
    notes = "\n".join(shell.notes(environ, ca, ["api.openai.com"]))
    assert "SSL_CERT_FILE names the interceptor's CA alone" in notes
    assert "DENO_CERT (Deno)" in notes
    assert "OPENAI_BASE_URL is https://***@llm.example/v1" in notes
    assert "NODE_USE_ENV_PROXY" not in notes
    assert "NODE_USE_ENV_PROXY=1" in "\n".join(shell.notes({}, ca, []))
