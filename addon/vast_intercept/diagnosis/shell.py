"""Finds what this shell's variables lack for apps to use and trust an interceptor."""

import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from requests.utils import should_bypass_proxies

from ..addresses import is_loopback_name
from ..certificates.own_ca import CertificateAuthority
from ..certificates.public_cas import SYSTEM_BUNDLES
from ..certificates.trust_files import ADDING_VARIABLE, CA_VARIABLES
from ..launch.named_proxy import NamedProxyError, named_proxy
from ..urls import place_of, proxy_url

#: Those without which nearly no app trusts the interceptor (FACTS C2).
_NEEDED = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", ADDING_VARIABLE)
_MAX_BUNDLE = 16 * 1024 * 1024
_MAX_FILES = 2_000
_BEGIN = "-----BEGINCERTIFICATE-----"


def proxy_problems(
    environ: Mapping[str, str], url: str, port: int, hosts: AbstractSet[str]
) -> Iterator[str]:
    """Says why an app's call to the URL would not go through the interceptor.

    `hosts` are the addresses that the interceptor listens at.
    """
    called = place_of(url)
    names = [f"{called.scheme}_proxy", f"{called.scheme.upper()}_PROXY"]
    named = [name for name in names if environ.get(name)]
    named = named or [name for name in ("all_proxy", "ALL_PROXY") if environ.get(name)]
    if not named:
        yield f"{names[-1]} is not set"
    for name in named:
        if problem := _leads_elsewhere(environ[name], port, hosts):
            yield f"{name} {problem}"
    for name in ("no_proxy", "NO_PROXY"):
        if entries := excluding(environ.get(name, ""), url):
            listed = ", ".join(map(repr, entries))
            yield f"{name} has {listed}, so that {called.host} is called directly"


def excluding(no_proxy: str, url: str) -> list[str]:
    """The entries of NO_PROXY that exclude the URL, as requests reads them."""
    entries = [entry.strip() for entry in no_proxy.split(",")]
    return [entry for entry in entries if entry and should_bypass_proxies(url, entry)]


def ca_problems(environ: Mapping[str, str], ca: CertificateAuthority) -> Iterator[str]:
    """Says why an app would not trust the interceptor."""
    missing = [name for name in _NEEDED if not environ.get(name) and not _elsewhere(name, ca)]
    if missing:
        yield f"{_listed(missing)} not set"
    wrong: dict[str, list[str]] = {}
    for name in (*_NEEDED, "CURL_CA_BUNDLE"):
        if (value := environ.get(name)) and (problem := _does_not_hold(Path(value), ca)):
            wrong.setdefault(problem, []).append(name)
    for problem, names in wrong.items():
        yield f"{_listed(names, 'names', 'name')} {problem}"


def notes(
    environ: Mapping[str, str], ca: CertificateAuthority, provider_hosts: list[str]
) -> Iterator[str]:
    """Says what matters to some apps only."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        base_url = environ.get(name, "")
        if base_url and not any(host in base_url for host in provider_hosts):
            yield f"{name} is {without_password(base_url)}: SDKs call that, which is left alone"
    others = [name for name in CA_VARIABLES if name not in (*_NEEDED, "CURL_CA_BUNDLE")]
    stale = [
        f"{name} ({CA_VARIABLES[name]})"
        for name in others
        if (value := environ.get(name)) and _does_not_hold(Path(value), ca)
    ]
    if stale:
        yield f"other CAs: {', '.join(stale)}"
    bundles = {name: environ.get(name) for name in _NEEDED if name != ADDING_VARIABLE}
    lonely = [name for name, value in bundles.items() if value and _count(Path(value)) == 1]
    if lonely:
        yield f"no public CAs: {_listed(lonely, 'names', 'name')} the interceptor's CA alone"
    if not environ.get("NODE_USE_ENV_PROXY"):
        yield "Node.js uses a proxy from version 24 on, and with NODE_USE_ENV_PROXY=1"


def other_proxy(environ: Mapping[str, str], port: int) -> str:
    """The URL, without a password, of a proxy for HTTPS that is not the interceptor, if any."""
    try:
        proxy = named_proxy(environ)
    except NamedProxyError:
        return ""
    own = f"127.0.0.1:{port}", f"localhost:{port}"
    return proxy.url if proxy and not proxy.url.endswith(own) else ""


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return re.sub(r"//[^/@]*@", "//***@", url if "//" in url else f"//{url}").removeprefix("//")


def _leads_elsewhere(value: str, port: int, hosts: AbstractSet[str]) -> str:
    try:
        place = place_of(proxy_url(value))
    except ValueError:
        return "is not the URL of a proxy"  # not shown: it may hold a password
    shown = without_password(value)
    everywhere = hosts & {"0.0.0.0", "::", ""}  # noqa: S104  (told of, not used)
    leads_there = place.port == port and (
        is_loopback_name(place.host)
        or place.host in hosts
        or (everywhere and _is_this_machine(place.host))
    )
    if not leads_there:
        return f"leads to {shown}, not to the interceptor at 127.0.0.1:{port}"
    if place.scheme != "http":
        return f"is {shown}: the interceptor's proxy is http://, also for https"
    return ""


def _is_this_machine(host: str) -> bool:
    """Whether a name leads to this machine, whose addresses alone can be bound."""
    try:
        for *kind, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM):
            with socket.socket(*kind) as probe:
                probe.bind(address)
    except OSError:
        return False
    return True


def _elsewhere(name: str, ca: CertificateAuthority) -> bool:
    """Whether apps trust the CA without the variable, by the machine's own bundle."""
    bundles = (ssl.get_default_verify_paths().openssl_cafile, *SYSTEM_BUNDLES)
    return name == "SSL_CERT_FILE" and not all(_does_not_hold(Path(each), ca) for each in bundles)


def _does_not_hold(path: Path, ca: CertificateAuthority) -> str:
    """Why a file or folder of CAs does not hold the CA, beginning with its path; or nothing."""
    body = b64encode(ca.certificate.public_bytes(Encoding.DER)).decode()
    try:
        if path.is_dir():
            files = [file for _, file in zip(range(_MAX_FILES), path.iterdir(), strict=False)]
            found = any(body in _squeezed(file) for file in files if file.is_file())
        else:
            found = body in _squeezed(path)
    except OSError as error:
        return f"{path}, which cannot be read: {error.strerror}"
    return "" if found else f"{path}, which does not hold the interceptor's CA"


def _squeezed(path: Path) -> str:
    """The text of a PEM file without white space, so that lines may be of any length."""
    with path.open("rb") as file:
        return "".join(file.read(_MAX_BUNDLE).decode("ascii", "replace").split())


def _count(path: Path) -> int:
    try:
        return _squeezed(path).count(_BEGIN) if path.is_file() else 0
    except OSError:
        return 0


def _listed(names: list[str], one: str = "is", many: str = "are") -> str:
    return f"{', '.join(names)} {one if len(names) == 1 else many}"
