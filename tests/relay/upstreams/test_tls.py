"""Whom the relay trusts: Vast's root is fetched once, kept, checked; nothing is ever unverified."""

import asyncio
import datetime
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from vast_intercept.config import Config, load_config
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.relay.failures import AttemptFailed
from vast_intercept.relay.http_client import HttpClient, UpstreamProxy
from vast_intercept.relay.upstreams import tls
from vast_intercept.relay.upstreams.tls import public_context
from vast_intercept.relay.upstreams.trust import VastTrust, usable_root

from .console import Console, running_console

ROOT = "/static/jvastai_root.cer"


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    async with running_console() as console:
        yield console


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def vast_trust(folder: Path, clock: Clock | None = None) -> AsyncIterator[VastTrust]:
    """Whom workers and machines are verified by, with what is kept in the folder."""
    client = HttpClient(UpstreamProxy())
    yield VastTrust(client, folder, clock or Clock())
    await client.close()


@pytest.fixture
async def trust(tmp_path: Path, clock: Clock) -> AsyncIterator[VastTrust]:
    async with vast_trust(tmp_path / "confdir", clock) as trust:
        yield trust


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def config_for(console: Console, ca_file: Path | None = None) -> Config:
    return replace(load_config(None, {}), console_url=console.url, ca_file=ca_file)


def handshake(client: ssl.SSLContext, ca: trustme.CA, name: str = "localhost") -> None:
    """A TLS handshake with a server of this name, in memory. Raises ssl.SSLError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass


async def test_the_root_is_fetched_once_and_verifies_workers(
    trust: VastTrust, console: Console, ca: trustme.CA
) -> None:
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    config = config_for(console)
    context = await trust.context(config)
    handshake(context, ca)
    assert await trust.context(config) is context
    assert console.requests == [("GET", ROOT)]


async def test_a_root_in_der_does_as_well(
    trust: VastTrust, console: Console, ca: trustme.CA
) -> None:
    console.answers[ROOT] = 200, ssl.PEM_cert_to_DER_cert(ca.cert_pem.bytes().decode())
    handshake(await trust.context(config_for(console)), ca)


async def test_names_and_chains_are_verified(
    trust: VastTrust, console: Console, ca: trustme.CA
) -> None:
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    context = await trust.context(config_for(console))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname"):
        handshake(context, ca, "elsewhere")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        handshake(context, trustme.CA())


async def test_only_workers_are_spared_the_strict_check(
    trust: VastTrust, console: Console, ca: trustme.CA
) -> None:
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    config = config_for(console)
    assert not (await trust.context(config)).verify_flags & ssl.VERIFY_X509_STRICT
    default = ssl.create_default_context().verify_flags
    assert public_context(config).verify_flags == default


async def test_the_root_is_for_workers_alone(console: Console, ca: trustme.CA) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(public_context(config_for(console)), ca)


async def test_the_root_is_kept_on_disk(
    trust: VastTrust, console: Console, ca: trustme.CA, tmp_path: Path
) -> None:
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    await trust.context(config_for(console))
    (kept,) = (tmp_path / "confdir").iterdir()
    assert kept.read_bytes() == ca.cert_pem.bytes()
    async with vast_trust(tmp_path / "confdir") as later:
        handshake(await later.context(config_for(console)), ca)
    assert len(console.requests) == 1


async def test_each_console_has_a_root_of_its_own(
    trust: VastTrust, console: Console, ca: trustme.CA
) -> None:
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    await trust.context(config_for(console))
    async with running_console() as other:
        other_ca = trustme.CA()
        other.answers[ROOT] = 200, other_ca.cert_pem.bytes()
        context = await trust.context(config_for(other))
        handshake(context, other_ca)
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(context, ca)


@pytest.mark.parametrize("kept", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nA\n"])
async def test_a_file_that_is_broken_is_fetched_again(
    trust: VastTrust, console: Console, ca: trustme.CA, tmp_path: Path, kept: bytes
) -> None:
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    await trust.context(config_for(console))
    (path,) = (tmp_path / "confdir").iterdir()
    path.write_bytes(kept)
    async with vast_trust(tmp_path / "confdir") as later:
        handshake(await later.context(config_for(console)), ca)
    assert path.read_bytes() == ca.cert_pem.bytes()


async def test_a_folder_that_cannot_be_written_does_not_matter(
    console: Console, ca: trustme.CA, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    async with vast_trust(tmp_path / "file") as trust:
        handshake(await trust.context(config_for(console)), ca)


async def test_a_new_root_is_found_when_a_worker_is_not_trusted(
    trust: VastTrust, console: Console, ca: trustme.CA, clock: Clock
) -> None:
    config = config_for(console)
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    old = await trust.context(config)
    new = trustme.CA()
    console.answers[ROOT] = 200, new.cert_pem.bytes()
    assert await trust.renew(config, old)
    handshake(await trust.context(config), new)
    assert await trust.renew(config, old)  # of a call that began before
    assert not await trust.renew(config, await trust.context(config))  # too soon
    assert len(console.requests) == 2
    clock.now += 601
    assert not await trust.renew(config, await trust.context(config))  # the same again
    assert len(console.requests) == 3


async def test_the_root_stays_where_there_is_no_other(
    trust: VastTrust, console: Console, ca: trustme.CA, clock: Clock
) -> None:
    config = config_for(console)
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    old = await trust.context(config)
    console.answers[ROOT] = 503, b""
    with pytest.raises(AttemptFailed, match="status 503"):
        await trust.renew(config, old)
    handshake(await trust.context(config), ca)
    assert not await trust.renew(config, old)  # too soon
    assert len(console.requests) == 2
    clock.now += 11
    console.answers[ROOT] = 200, trustme.CA().cert_pem.bytes()
    assert await trust.renew(config, old)


async def test_the_same_root_again_is_no_reason_for_another_attempt(
    trust: VastTrust, console: Console, ca: trustme.CA
) -> None:
    config = config_for(console)
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    assert not await trust.renew(config, await trust.context(config))


async def test_nobody_is_asked_for_the_root_before_it_is_needed(
    trust: VastTrust, console: Console, ca: trustme.CA, tmp_path: Path
) -> None:
    """A machine may be signed by a public CA, and then needs neither root nor console."""
    config = config_for(console)
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    at_hand = trust.context_at_hand(config)
    assert trust.context_at_hand(config) is at_hand
    assert len(at_hand.get_ca_certs()) > 100
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(at_hand, ca)
    assert console.requests == []
    renewed = await asyncio.gather(*(trust.renew(config, at_hand) for _ in range(5)))
    assert renewed == [True] * 5
    handshake(trust.context_at_hand(config), ca)
    assert console.requests == [("GET", ROOT)]
    async with vast_trust(tmp_path / "confdir") as later:
        handshake(later.context_at_hand(config), ca)
    assert len(console.requests) == 1


async def test_a_ca_file_is_at_hand_and_no_root_is_fetched_beside_it(
    trust: VastTrust, console: Console, ca: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    config = config_for(console, ca_file)
    at_hand = trust.context_at_hand(config)
    handshake(at_hand, ca)
    assert not await trust.renew(config, at_hand)
    assert await trust.context(config) is at_hand
    assert console.requests == []


async def test_a_ca_file_takes_the_root_s_place(
    trust: VastTrust, console: Console, ca: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    handshake(await trust.context(config_for(console, ca_file)), ca)
    assert console.requests == []


def test_one_store_is_trusted_and_not_the_sum_of_two(
    ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the system's nor certifi's CAs come beside those of the store that is in use."""
    store = tmp_path / "store.pem"
    ca.cert_pem.write_to_path(str(store))
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    tls._context.cache_clear()
    context = public_context(load_config(None, {}))
    tls._context.cache_clear()
    handshake(context, ca)
    assert len(context.get_ca_certs()) == 1


def test_a_machine_s_store_is_the_system_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    tls._context.cache_clear()
    known = {each["serialNumber"] for each in public_context(load_config(None, {})).get_ca_certs()}
    system = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    system.load_verify_locations("/etc/ssl/certs/ca-certificates.crt")
    assert len(known) > 100
    assert known <= {each["serialNumber"] for each in system.get_ca_certs()}


async def test_a_ca_file_alone_is_trusted_where_the_configuration_says_so(
    console: Console, trust: VastTrust, ca: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    added = config_for(console, ca_file)
    alone = replace(added, ca_only=True)
    for context in (public_context(alone), await trust.context(alone)):
        handshake(context, ca)
        assert len(context.get_ca_certs()) == 1
    for context in (public_context(added), await trust.context(added)):
        handshake(context, ca)
        assert len(context.get_ca_certs()) > 100
    assert console.requests == []


async def test_a_ca_file_without_certificates_is_a_clear_error(
    trust: VastTrust, console: Console, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("no certificate")
    with pytest.raises(ApiError, match="has no usable certificates") as error:
        await trust.context(config_for(console, ca_file))
    assert error.value.code == "configuration_invalid"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((404, b""), "status 404"),
        ((302, b""), "status 302"),
        ((503, b""), "status 503"),
        ((200, b""), "not a certificate"),
        ((200, b"<html>"), "not a certificate"),
        ((200, b"x" * 300_000), "more than 262,144 bytes"),
    ],
)
async def test_a_root_that_cannot_be_had_is_an_error_that_says_what_to_do(
    trust: VastTrust, console: Console, answer: tuple[int, bytes], why: str
) -> None:
    console.answers[ROOT] = answer
    with pytest.raises(AttemptFailed) as failed:
        await trust.context(config_for(console))
    error = failed.value.error
    assert (error.status, error.code) == (502, "vast_root_unavailable")
    assert why in error.message
    assert "vast.ca_file" in error.message


def test_a_certificate_that_is_no_ca_is_no_root() -> None:
    leaf = trustme.CA().issue_cert("localhost").cert_chain_pems[0].bytes()
    with pytest.raises(ValueError, match="not the certificate of a CA"):
        usable_root(leaf)


def test_a_root_that_has_expired_is_none() -> None:
    with pytest.raises(ValueError, match="expired"):
        usable_root(root_that_ended(datetime.timedelta(days=1)))
    assert "BEGIN CERTIFICATE" in usable_root(root_that_ended(datetime.timedelta(days=-1)))


def root_that_ended(ago: datetime.timedelta) -> bytes:
    """A CA's certificate, valid until so long ago."""
    now = datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now - ago)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
