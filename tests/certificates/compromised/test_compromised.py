"""Authorities whose keys are known: nothing here signs with one, and nothing here trusts one."""

import datetime
import re
import socket
import ssl
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import requests
import trustme
import yaml

from vast_intercept.certificates import public_cas
from vast_intercept.certificates.own_ca import read_ca
from vast_intercept.certificates.trust_files import write_trust_files

from ... import harness
from ...harness import ADDON, error_of, use
from .conftest import Impostor

URL = "https://api.openai.com/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("option", ["emudhra", "emudhra_old"])
def test_an_interceptor_does_not_start_with_such_a_key(
    option: str, newer_mitmproxy: Path, tmp_path: Path
) -> None:
    started = harness.Process(
        str(newer_mitmproxy / "mitmdump"),
        *("-s", str(ADDON), "-p", "0", "--listen-host", "127.0.0.1"),
        *("--set", f"confdir={tmp_path}", "--set", f"{option}=true"),
    )
    started.wait_for(f"{option} has mitmproxy sign with the compromised key of a public CA")
    assert started.process.wait(20) == 1
    assert f"Leave {option} out" in started.output


def test_it_works_with_that_mitmproxy_without_the_option(
    newer_mitmproxy: Path,
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = harness.write_config(tmp_path / "vast.yaml", vast=vast_section)
    command = [str(newer_mitmproxy / "mitmdump"), "-s", str(ADDON), "--listen-host", "127.0.0.1"]
    environ = harness.clean_environ(VAST_API_KEY=harness.VAST_KEY)
    options = ("--set", f"vast_config={config}", "--set", "emudhra=false")
    interceptor = harness.Interceptor(command, tmp_path, *options, environ=environ)
    use(interceptor, monkeypatch)
    answer = requests.post(URL, json=BODY, timeout=30)
    assert interceptor.stop() == 0, interceptor.output
    assert answer.status_code == 200, answer.text


def connects(url: str, context: ssl.SSLContext) -> bool:
    parts = urlsplit(url)
    assert parts.hostname
    with socket.create_connection((parts.hostname, parts.port or 443), 10) as connection:
        try:
            context.wrap_socket(connection, server_hostname=parts.hostname).close()
        except ssl.SSLCertVerificationError:
            return False
    return True


def test_the_relay_sends_no_key_to_a_host_that_shows_one(
    impostor: Impostor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = ssl.create_default_context(cafile=impostor.store)
    usual.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    assert connects(impostor.url, usual)
    config = {"vast": {"endpoint": "e", "openai_url": impostor.url, "timeout": {"total": 2}}}
    environ = {"SSL_CERT_FILE": str(impostor.store)}
    with harness.intercept(tmp_path, config, environ=environ) as interceptor:
        use(interceptor, monkeypatch)
        error = error_of(requests.post(URL, json=BODY, timeout=30))
    assert error["code"] == "vast_tls_error", error


def test_no_bundle_for_apps_has_one(impostor: Impostor, tmp_path: Path) -> None:
    ours = tmp_path / "mitmproxy-ca-cert.pem"
    trustme.CA().cert_pem.write_to_path(str(ours))
    environ = {"SSL_CERT_FILE": str(impostor.store)}
    files = write_trust_files(tmp_path / "folder", read_ca(ours), environ)
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        context = ssl.create_default_context(cafile=files.bundle_for(variable))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        assert not connects(impostor.url, context)
    assert len(public_cas.certificates([str(files.bundle_for("SSL_CERT_FILE"))])) == 2


def test_what_a_store_has_of_them_is_left_out_and_the_rest_is_not(tmp_path: Path) -> None:
    """An old system's has the roots above them, such as Debian 12.11's."""
    system = Path("/etc/ssl/certs/ca-certificates.crt").read_text()
    store = tmp_path / "store.pem"
    store.write_text(f"{system}\n{trustme.CA(organization_name='Mine').cert_pem.bytes().decode()}")
    trusted = public_cas.public_cas({"SSL_CERT_FILE": str(store)})
    subjects = [str(each["subject"]) for each in read(trusted)]
    assert len(subjects) > 100
    assert "Mine" in subjects[-1]
    for name in public_cas.compromised().values():
        assert not any(f"'{name}'" in subject for subject in subjects)


def read(certificates: list[str]) -> list[dict[str, Any]]:
    context = ssl.create_default_context(cadata="\n".join(certificates))
    return cast("list[dict[str, Any]]", context.get_ca_certs())


def test_the_list_says_of_each_who_says_so_and_since_when() -> None:
    listed = Path(public_cas.__file__).with_name("compromised_cas.yaml").read_text()
    entries = yaml.safe_load(listed)
    for entry in entries:
        assert re.fullmatch("[0-9a-f]{64}", entry["spki_sha256"])
        assert isinstance(entry["since"], datetime.date)
        assert entry["name"]
        assert entry["why"]
        assert entry["source"].startswith("https://")
    assert len({entry["spki_sha256"] for entry in entries}) == len(entries)
