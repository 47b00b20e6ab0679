"""Each thing broken in turn: that thing is named, and no other."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from .. import harness
from ..harness import Certificates, StandIn, unused_port
from .conftest import (
    CALLS,
    STEPS,
    Setup,
    app_environ,
    interceptor_for,
    run_check,
    sections_for,
    web_server,
)

WRONG_KEY = "vast-ffffffffffffffffffffffffffffffffffff"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Holds a test's servers."""
    with ExitStack() as stack:
        yield stack


class TestConfiguration:
    def run(self, setup: Setup, path: Path, **environ: str) -> str:
        options = ("--config", str(path), "--port", str(setup.interceptor.port))
        report = run_check(*options, environ=setup.environ(**environ))
        told = report.only_failure("configuration")
        assert report.named("passed") == {"interceptor", "ca"}
        assert report.steps["whole_call"]["message"].endswith("because configuration failed")
        return told

    def test_there_is_no_file(self, setup: Setup) -> None:
        told = self.run(setup, setup.folder / "nowhere.yaml")
        assert f"{setup.folder}/nowhere.yaml: cannot be read: No such file" in told
        assert "--config PATH" in told

    def test_there_is_no_file_that_the_environment_names(self, setup: Setup) -> None:
        report = run_check(
            "--port",
            str(setup.interceptor.port),
            environ=setup.environ(VAST_INTERCEPT_CONFIG=str(setup.folder / "nowhere.yaml")),
        )
        assert "unset VAST_INTERCEPT_CONFIG" in report.only_failure("configuration")

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("vast: [", "is not valid YAML"),
            ("vast: {endpiont: x}", "vast.endpiont: unknown key. Did you mean 'endpoint'?"),
            ("vast: {ca_file: /nowhere.pem}", "vast.ca_file: there is no file /nowhere.pem"),
            ("vast: {openai_url: http://vast.example}", "unencrypted"),
        ],
    )
    def test_the_file_is_wrong(self, setup: Setup, text: str, told: str) -> None:
        path = setup.folder / "vast.yaml"
        path.write_text(text)
        said = self.run(setup, path)
        assert told in said
        assert f"Mend it in {path}" in said

    def test_the_file_of_cas_has_none(self, setup: Setup) -> None:
        empty = setup.folder / "empty.pem"
        empty.write_text("nothing")
        path = harness.write_config(setup.folder / "vast.yaml", vast={"ca_file": str(empty)})
        assert f"vast.ca_file: {empty} has no usable certificates" in self.run(setup, path)

    def test_the_environment_is_wrong(self, setup: Setup) -> None:
        told = self.run(setup, setup.interceptor.folder / "vast.yaml", VAST_ENDPOINT="a b")
        assert "'a b' cannot be the name of an endpoint" in told
        assert "It comes from VAST_ENDPOINT" in told


class TestKey:
    def test_there_is_none_here(self, setup: Setup) -> None:
        report = setup.check(environ=setup.environ(VAST_API_KEY=""))
        told = report.only_failure("key")
        assert "VAST_API_KEY is not set" in told
        assert "export VAST_API_KEY=" in told
        # The interceptor has one.
        assert report.named("skipped") == {"endpoint", "workers"}

    def test_there_is_none_at_all(
        self, standin: StandIn, certs: Certificates, tmp_path: Path
    ) -> None:
        sections = sections_for(standin, certs.ca)
        with interceptor_for(tmp_path, sections, VAST_API_KEY="") as setup:
            report = setup.check(environ=setup.environ(VAST_API_KEY=""))
            assert "VAST_API_KEY is not set" in report.only_failure("key")
            assert report.named("skipped") == {
                "endpoint",
                "workers",
                *CALLS,
            }
            # With one here, what is broken is the interceptor.
            told = setup.check().only_failure("whole_call")
            assert "vast_key_missing" in told
            assert "The interceptor runs without the key" in told

    def test_its_file_is_not_there(self, setup: Setup) -> None:
        report = setup.check(
            vast={"api_key": "file:/nowhere/key"}, environ=setup.environ(VAST_API_KEY="")
        )
        assert "the key file /nowhere/key cannot be read" in report.only_failure("key")

    def test_vast_refuses_it(self, setup: Setup) -> None:
        report = setup.check(environ=setup.environ(VAST_API_KEY=WRONG_KEY))
        told = report.only_failure("endpoint")
        assert "Vast refuses the key ***ffff (status 401)" in told
        assert "export VAST_API_KEY=" in told
        assert WRONG_KEY not in report.output


class TestNames:
    def test_one_does_not_resolve(self, setup: Setup) -> None:
        told = setup.check(vast={"openai_url": "https://nowhere.invalid"}).only_failure("names")
        assert "nowhere.invalid does not resolve" in told
        assert "getent hosts nowhere.invalid" in told

    def test_the_console_is_in_the_way_of_neither_interface(self, setup: Setup) -> None:
        vast = {"console_url": "https://console.invalid", "interface": "serverless"}
        told = setup.check(vast=vast).only_failure("names")
        assert "console.invalid does not resolve" in told
        assert "localhost does not" not in told

    def test_those_of_the_other_interface_do_not_matter(self, setup: Setup) -> None:
        report = setup.check(vast={"route_url": "https://nowhere.invalid"})
        assert report.code == 0
        assert report.steps["workers"]["status"] == "skipped"
        assert "nowhere.invalid" in report.steps["workers"]["message"]


def _expired(folder: Path) -> Certificates:
    past = datetime.now(UTC) - timedelta(days=2)
    return _issued(folder, "localhost", not_after=past)


def _other_host(folder: Path) -> Certificates:
    return _issued(folder, "elsewhere.example")


def _issued(folder: Path, name: str, **validity: Any) -> Certificates:
    ca = trustme.CA()
    issued = ca.issue_cert(name, **validity)
    paths = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    ca.cert_pem.write_to_path(str(paths.ca))
    paths.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(paths.key))
    return paths


@contextmanager
def listener(serve: Callable[[socket.socket], None] | None = None) -> Iterator[int]:
    """A socket at a port, which does as told with each connection, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopped = threading.Event()
        server.settimeout(0.05)

        def run() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(5)
                    assert serve
                    serve(connection)

        thread = threading.Thread(target=run)
        if serve:
            thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stopped.set()
            if serve:
                thread.join()


class TestTls:
    def run(self, setup: Setup, port: int, *cas: Path) -> str:
        ca = setup.folder / "cas.pem"
        own = Path(setup.sections["vast"]["ca_file"])
        ca.write_text("\n".join(path.read_text() for path in (own, *cas)))
        url = f"https://localhost:{port}"
        told = setup.check(vast={"openai_url": url, "ca_file": str(ca)}).only_failure("tls")
        assert f"localhost:{port}" in told
        return told

    def test_nobody_listens(self, setup: Setup) -> None:
        told = self.run(setup, unused_port())
        assert "refuses connections" in told
        assert "with its port?" in told

    def test_the_ca_is_not_trusted(self, setup: Setup, stack: ExitStack) -> None:
        _, certificate, key = _issued(setup.folder, "localhost")
        told = self.run(setup, stack.enter_context(web_server(certificate, key)))
        assert "from a CA that is not trusted here" in told
        assert "vast.ca_file" in told
        assert "-issuer" in told

    def test_the_certificate_has_expired(self, setup: Setup, stack: ExitStack) -> None:
        ca, certificate, key = _expired(setup.folder)
        told = self.run(setup, stack.enter_context(web_server(certificate, key)), ca)
        assert "has expired" in told
        assert "clock" in told

    def test_the_certificate_is_for_another_host(self, setup: Setup, stack: ExitStack) -> None:
        ca, certificate, key = _other_host(setup.folder)
        told = self.run(setup, stack.enter_context(web_server(certificate, key)), ca)
        assert "for another host" in told
        assert "subjectAltName" in told

    def test_it_is_not_tls(self, setup: Setup, stack: ExitStack) -> None:
        told = self.run(setup, stack.enter_context(web_server()))
        assert "does not speak TLS" in told
        assert "http:// may do" in told

    def test_it_hangs_up(self, setup: Setup, stack: ExitStack) -> None:
        port = stack.enter_context(listener(lambda connection: None))
        assert "ends the connection in place of a TLS handshake" in self.run(setup, port)


class TestEndpoint:
    def test_the_account_does_not_have_it(self, setup: Setup) -> None:
        report = setup.check("--endpoint", "my-endpiont")
        told = report.only_failure("endpoint")
        assert "no endpoint 'my-endpiont' (--endpoint); it has 'my-endpoint', 'big-one'" in told
        assert "vast-intercept check --endpoint my-endpoint" in told
        told = setup.check(environ=setup.environ(VAST_ENDPOINT="bigone")).only_failure("endpoint")
        assert told.endswith("export VAST_ENDPOINT=big-one")

    def test_a_route_leads_to_none(self, setup: Setup) -> None:
        route = {"model": "gpt-4*", "endpoint": "big-one", "fallback": ["old-one", "provider"]}
        told = setup.check(sections={"routes": [route]}).only_failure("endpoint")
        assert "'old-one' (routes[0].fallback[0])" in told

    def test_none_is_configured(self, setup: Setup) -> None:
        told = setup.check(vast={"endpoint": None}).only_failure("endpoint")
        assert "no endpoint is configured; your Vast account has 'big-one', 'my-endpoint'" in told
        assert "export VAST_ENDPOINT=" in told
        report = setup.check("--offline", vast={"endpoint": None})
        assert "no endpoint is configured" in report.only_failure("endpoint")

    def test_the_account_has_none(self, setup: Setup, standin: StandIn) -> None:
        standin.override("endptjobs", body='{"results": []}')
        assert "it has none at all" in setup.check().only_failure("endpoint")

    def test_the_console_fails(self, setup: Setup, standin: StandIn) -> None:
        standin.override("endptjobs", status=500)
        told = setup.check().only_failure("endpoint")
        assert "/api/v0/endptjobs/" in told
        assert "status 500" in told


class TestInterceptor:
    def run(self, setup: Setup, port: int) -> str:
        config = str(setup.interceptor.folder / "vast.yaml")
        report = run_check("--config", config, "--port", str(port), environ=setup.environ())
        told = report.only_failure("interceptor")
        assert report.named("skipped") == {"ca", "variables"} | CALLS
        assert f"127.0.0.1:{port}" in told
        assert f"vast-intercept serve -p {port}" in told
        return told

    def test_nobody_listens(self, setup: Setup) -> None:
        assert "Nothing listens" in self.run(setup, unused_port())

    def test_something_else_does(self, setup: Setup, stack: ExitStack) -> None:
        assert "is not this interceptor" in self.run(setup, stack.enter_context(web_server()))

    def test_it_cannot_use_its_configuration(
        self, setup: Setup, standin: StandIn, certs: Certificates, tmp_path: Path
    ) -> None:
        del setup
        folder = tmp_path / "own"
        broken = {"vast": {"endpiont": "x"}}
        with interceptor_for(folder, broken) as other:
            valid = harness.write_config(tmp_path / "valid.yaml", **sections_for(standin, certs.ca))
            report = run_check(
                "--config",
                str(valid),
                "--port",
                str(other.interceptor.port),
                environ=app_environ(other.interceptor),
            )
            told = report.only_failure("interceptor")
            assert "vast.endpiont: unknown key" in told
            # The same file is wrong once, not twice.
            assert "endpiont" in other.check().only_failure("configuration")

    def test_it_takes_over_nobody(
        self, standin: StandIn, certs: Certificates, tmp_path: Path
    ) -> None:
        sections = {**sections_for(standin, certs.ca), "providers": []}
        with interceptor_for(tmp_path, sections) as setup:
            told = setup.check().only_failure("interceptor")
            assert "providers: [openai]" in told


def test_what_never_answers_is_not_waited_for(setup: Setup, stack: ExitStack) -> None:
    port = stack.enter_context(listener())
    # At the same time: both take as long as they wait.
    with ThreadPoolExecutor() as executor:
        interceptor = executor.submit(TestInterceptor().run, setup, port)
        vast = executor.submit(TestTls().run, setup, port)
    assert "does not answer" in interceptor.result()
    assert "did not answer within 5 s" in vast.result()
    assert "--mode upstream:" in vast.result()


def _expired_ca() -> bytes:
    """As mitmproxy's is years later."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mitmproxy")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=20))
        .not_valid_after(now - timedelta(days=3))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


class TestCa:
    def test_it_is_another_than_when_the_interceptor_started(
        self, standin: StandIn, certs: Certificates, tmp_path: Path
    ) -> None:
        with interceptor_for(tmp_path / "own", sections_for(standin, certs.ca)) as setup:
            environ = setup.environ()
            ca = setup.interceptor.ca

            # Interceptors do not start with one like this, but may run on.
            ca.write_bytes(_expired_ca())
            report = setup.check(environ=environ)
            told = report.only_failure("ca")
            assert "has expired" in told
            assert f"Delete {ca.parent}/mitmproxy-ca*" in told
            assert report.named("skipped") == {"variables"} | CALLS

            ca.write_bytes(certs.ca.read_bytes())
            told = setup.check(environ=environ).only_failure("ca")
            assert "is not from" in told
            assert "start it anew" in told

            ca.write_text("nothing")
            told = setup.check(environ=environ).only_failure("ca")
            assert "is not the certificate of a CA" in told

            ca.unlink()
            assert "cannot be read" in setup.check(environ=environ).only_failure("ca")


class TestVariables:
    """Whatever is wrong with them, the calls are tried, through the interceptor."""

    def run(self, setup: Setup, **environ: str) -> str:
        report = setup.check(environ=setup.environ(**environ))
        told = report.only_failure("variables")
        assert report.named("passed") == set(STEPS) - {"variables"}
        assert f'eval "$(vast-intercept env --port {setup.interceptor.port})"' in told
        return told

    def test_the_proxy_is_not_set(self, setup: Setup) -> None:
        assert "HTTPS_PROXY is not set" in self.run(setup, HTTPS_PROXY="")

    def test_the_proxy_is_another(self, setup: Setup) -> None:
        told = self.run(setup, HTTPS_PROXY="http://me:secret-word@proxy.example:3128")
        assert "HTTPS_PROXY leads to http://***@proxy.example:3128, not to" in told
        assert "--mode upstream:http://proxy.example:3128" in told
        assert "secret-word" not in told

    def test_the_proxy_is_another_in_the_variable_that_wins(self, setup: Setup) -> None:
        told = self.run(setup, https_proxy="http://proxy.example:3128")
        assert told.startswith("https_proxy leads to http://proxy.example:3128")

    def test_the_proxy_is_another_interceptor(self, setup: Setup) -> None:
        told = self.run(setup, HTTPS_PROXY="http://127.0.0.1:1")
        assert "leads to http://127.0.0.1:1, not to" in told

    def test_the_host_is_called_directly(self, setup: Setup) -> None:
        told = self.run(setup, no_proxy="localhost,.openai.com,example.org")
        assert "no_proxy has '.openai.com', so that api.openai.com is called directly" in told
        assert "export no_proxy=localhost,example.org" in told

    def test_the_cas_are_not_set(self, setup: Setup) -> None:
        told = self.run(setup, REQUESTS_CA_BUNDLE="", NODE_EXTRA_CA_CERTS="")
        assert told.startswith("REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS are not set")

    def test_the_cas_are_others(self, setup: Setup, certs: Certificates) -> None:
        told = self.run(setup, REQUESTS_CA_BUNDLE=str(certs.ca), SSL_CERT_FILE="/nowhere.pem")
        assert f"REQUESTS_CA_BUNDLE names {certs.ca}, which does not hold" in told
        assert "SSL_CERT_FILE names /nowhere.pem, which cannot be read" in told


class TestCalls:
    def test_a_worker_fails(self, setup: Setup, standin: StandIn) -> None:
        standin.faults(probability={"refuse": 1})
        try:
            report = setup.check()
        finally:
            standin.clear_faults()
        told = report.only_failure("whole_call")
        assert "status 503, service_unavailable: Vast's endpoint 'my-endpoint'" in told
        assert "vast-intercept serve --web" in told
        assert report.named("skipped") == {"streamed_call", "responses_call"}

    def test_nobody_answers(self, setup: Setup, standin: StandIn) -> None:
        standin.faults(probability={"hang": 1})
        try:
            told = setup.check().only_failure("whole_call")
        finally:
            standin.clear_faults()
        assert "status 504, vast_timeout" in told

    @pytest.mark.parametrize(
        ("step", "cut"),
        [("streamed_call", (False, True, False)), ("responses_call", (False, False, True))],
    )
    def test_the_stream_breaks_off(
        self, setup: Setup, standin: StandIn, step: str, cut: tuple[bool, ...]
    ) -> None:
        standin.faults(seed=_seed_that_cuts(*cut), probability={"cut": 0.5})
        try:
            told = setup.check().only_failure(step)
        finally:
            standin.clear_faults()
        assert "the stream broke off, vast_disconnected" in told

    def test_responses_are_not_served(
        self, standin: StandIn, certs: Certificates, tmp_path: Path
    ) -> None:
        sections = sections_for(standin, certs.ca)
        rejecting = {**sections, "unsupported": {"responses": "reject"}}
        with interceptor_for(tmp_path, rejecting) as setup:
            report = setup.check()
            assert report.named("skipped") == {"responses_call"}
            assert "unsupported: {responses: reject}" in report.output
            # Checked with another configuration than the interceptor has.
            config = harness.write_config(tmp_path / "other.yaml", **sections)
            port = str(setup.interceptor.port)
            report = run_check("--config", str(config), "--port", port, environ=setup.environ())
            told = report.only_failure("responses_call")
            assert "status 404, unsupported_endpoint" in told
            assert "another configuration" in told

    def test_messages_are_called_where_they_are_taken_over(
        self, setup: Setup, standin: StandIn, certs: Certificates, tmp_path: Path
    ) -> None:
        both = {"providers": ["openai", "anthropic"]}
        told = setup.check(sections=both).only_failure("messages_call")
        assert "does not take over api.anthropic.com" in told
        with interceptor_for(tmp_path, {**sections_for(standin, certs.ca), **both}) as other:
            report = other.check()
            assert report.named("passed") == {*STEPS, "messages_call"}, report.output
            assert "message_stop, the first token" in report.steps["messages_call"]["message"]
            standin.faults(
                seed=_seed_that_cuts(False, False, False, True), probability={"cut": 0.5}
            )
            try:
                told = other.check().only_failure("messages_call")
            finally:
                standin.clear_faults()
            assert "the stream broke off, " in told

    def test_the_interceptor_wants_keys(
        self, standin: StandIn, certs: Certificates, tmp_path: Path
    ) -> None:
        known = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"
        sections = {
            **sections_for(standin, certs.ca),
            "clients": {"keys": [{"name": "billing", "sha256": known}]},
        }
        with interceptor_for(tmp_path, sections) as setup:
            told = setup.check().only_failure("whole_call")
            assert "status 401, invalid_api_key" in told
            assert "clients.keys. OPENAI_API_KEY (***wxyz) is none of them" in told
            told = setup.check(environ=setup.environ(OPENAI_API_KEY="")).only_failure("whole_call")
            assert "It needs one of them" in told
            report = setup.check(environ=setup.environ(OPENAI_API_KEY="foo"))
            assert report.named("passed") == set(STEPS)


def _seed_that_cuts(*calls: bool) -> int:
    """The seed with which the stand-in cuts these of the check's calls, and no others."""
    return next(
        seed
        for seed in range(10_000)
        if (chance := Random(seed)) and tuple(chance.random() < 0.5 for _ in calls) == calls
    )
