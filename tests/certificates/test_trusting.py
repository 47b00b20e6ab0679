"""The files that apps trust, as TLS, Java, PHP and wget read them."""

import hashlib
import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import certifi
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

from vast_intercept.certificates import public_cas
from vast_intercept.certificates.own_ca import CertificateAuthority, read_ca
from vast_intercept.certificates.trust_files import CA_VARIABLES, TrustFiles, write_trust_files
from vast_intercept.launch.jail.replaced_files import ReplacedFiles
from vast_intercept.launch.variables import app_variables

from ..harness import Certificates, StandIn

PATH = os.environ["PATH"]
NAME = "service.example"

#: Prints what a JVM trusts: a name, and the fingerprints of the CAs or the error. Its arguments are
#: a copy of the store, since what it has read of a path it keeps (FACTS C7), and one with a MAC.
TRUSTED = """
import java.io.FileInputStream;
import java.security.*;
import java.util.*;
import javax.net.ssl.*;

class Trusted {
    interface Source {
        KeyStore get() throws Exception;
    }

    static void show(String name, Source source) throws Exception {
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        var found = new StringJoiner(" ");
        try {
            factory.init(source.get());
            var manager = (X509TrustManager) factory.getTrustManagers()[0];
            for (var each : manager.getAcceptedIssuers()) {
                var digest = MessageDigest.getInstance("SHA-256").digest(each.getEncoded());
                found.add(HexFormat.of().formatHex(digest));
            }
        } catch (Exception error) {
            found.add(error.getClass().getSimpleName());
        }
        System.out.println(name + " = " + found);
    }

    static void showDefault(String name, String store, String password) throws Exception {
        set("javax.net.ssl.trustStore", store);
        set("javax.net.ssl.trustStorePassword", password);
        show(name, () -> null);
    }

    static void set(String property, String value) {
        if (value == null) System.clearProperty(property);
        else System.setProperty(property, value);
    }

    static void showLoaded(String name, String type, String store) throws Exception {
        for (var password : Arrays.asList("changeit", null)) {
            show(name + " with " + password, () -> {
                var loaded = KeyStore.getInstance(type);
                try (var file = new FileInputStream(store)) {
                    loaded.load(file, password == null ? null : password.toCharArray());
                }
                return loaded;
            });
        }
    }

    public static void main(String[] arguments) throws Exception {
        String copy = arguments[0], withMac = arguments[1];
        String store = System.getProperty("javax.net.ssl.trustStore");
        show("the property with a password", () -> null);
        showDefault("the property", copy, null);
        showLoaded("an app's PKCS12", "PKCS12", store);
        showLoaded("an app's JKS", "JKS", store);
        showLoaded("an app's default type", KeyStore.getDefaultType(), store);
        showDefault("cacerts", null, null);
        var cacerts = System.getProperty("java.home") + "/lib/security/cacerts";
        showLoaded("an app's cacerts", KeyStore.getDefaultType(), cacerts);
        showDefault("a MAC: the property with a password", withMac, "changeit");
        showLoaded("a MAC: an app's PKCS12", "PKCS12", withMac);
    }
}
"""


def pem(authority: trustme.CA, path: Path) -> Path:
    """The CA's certificate, in a file."""
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def ours() -> trustme.CA:
    """A CA like mitmproxy's."""
    return trustme.CA(organization_name="ours")


@pytest.fixture
def ca(ours: trustme.CA, tmp_path: Path) -> CertificateAuthority:
    """Its file."""
    return read_ca(pem(ours, tmp_path / "mitmproxy-ca-cert.pem"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are to be, which is not there yet."""
    return tmp_path / "some where" / "vast-intercept"


def write(folder: Path, ca: CertificateAuthority, **environ: str) -> TrustFiles:
    """Writes them, for an app with this environment."""
    return write_trust_files(folder, ca, environ)


def certificates(bundle: Path) -> list[bytes]:
    """All that is in a file, in DER."""
    blocks = re.findall(r"-----BEGIN.+?END CERTIFICATE-----", bundle.read_text(), re.DOTALL)
    return [ssl.PEM_cert_to_DER_cert(block) for block in blocks]


def trusts(bundle: Path, authority: trustme.CA) -> bool:
    """Whether a client with only this bundle takes a server whose certificate is the CA's."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.load_verify_locations(bundle)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(server_context)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=NAME)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    unfinished = [client, server]
    while unfinished:
        try:
            unfinished[0].do_handshake()
        except ssl.SSLWantReadError:
            unfinished.reverse()
        except ssl.SSLCertVerificationError:
            return False
        else:
            del unfinished[0]
    return True


class TestBundle:
    def test_a_client_trusts_whom_it_did_and_ours_and_nobody_else(
        self, ours: trustme.CA, ca: CertificateAuthority, folder: Path, tmp_path: Path
    ) -> None:
        company, other, stranger = trustme.CA(), trustme.CA(), trustme.CA()
        files = write(
            folder,
            ca,
            REQUESTS_CA_BUNDLE=str(pem(company, tmp_path / "company.pem")),
            PIP_CERT=str(pem(other, tmp_path / "other.pem")),
            SSL_CERT_DIR=str(pem(stranger, tmp_path / "stranger.pem")),
        )
        for variable, whom in {
            "REQUESTS_CA_BUNDLE": company,
            "PIP_CERT": other,
            "SSL_CERT_FILE": None,
            "NODE_EXTRA_CA_CERTS": None,
        }.items():
            bundle = files.bundle_for(variable)
            trusted = [each for each in (ours, company, other, stranger) if trusts(bundle, each)]
            assert trusted == [ours, *([whom] if whom else [])]
            if whom:
                assert len(certificates(bundle)) == 2
        assert certificates(files.bundle_for("NODE_EXTRA_CA_CERTS")) == certificates(ca.path)

    def test_has_the_systems_each_once(
        self, ca: CertificateAuthority, folder: Path, tmp_path: Path
    ) -> None:
        found = certificates(write(folder, ca).bundle)
        assert len(found) == len(set(found))
        systems = certificates(Path("/etc/ssl/certs/ca-certificates.crt"))
        assert systems, "apt-get install ca-certificates"
        assert set(found) <= {*systems, *certificates(ca.path)}
        assert not {*certificates(Path(certifi.where()))} <= set(found)
        # Those that are left out are in test_public_cas.py.
        assert len(found) > len(systems) - 10

    def test_has_what_a_variable_names_each_once(
        self, ca: CertificateAuthority, folder: Path, tmp_path: Path
    ) -> None:
        company = pem(trustme.CA(), tmp_path / "company.pem")
        windows = tmp_path / "windows.pem"
        windows.write_bytes(company.read_bytes().replace(b"\n", b"\r\n") + ca.path.read_bytes())
        files = write(folder, ca, CURL_CA_BUNDLE=str(windows), AWS_CA_BUNDLE=str(company))
        expected = [*certificates(company), *certificates(ca.path)]
        assert certificates(files.bundle_for("CURL_CA_BUNDLE")) == expected
        assert certificates(files.bundle_for("AWS_CA_BUNDLE")) == expected

    def test_a_machine_without_public_cas_has_certifis(
        self, ca: CertificateAuthority, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nowhere = ssl.get_default_verify_paths()._replace(openssl_cafile="/nowhere")
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
        monkeypatch.setattr(public_cas, "SYSTEM_BUNDLES", ())
        found = set(certificates(write(folder, ca).bundle))
        assert found == {*certificates(Path(certifi.where())), *certificates(ca.path)}

    def test_files_that_are_of_no_use_are_passed_over(
        self, ca: CertificateAuthority, folder: Path, tmp_path: Path
    ) -> None:
        garbage = tmp_path / "garbage.pem"
        garbage.write_bytes(b"-----BEGIN CERTIFICATE-----\n\xff\xfe\n" + os.urandom(99))
        usual = certificates(write(tmp_path / "usual", ca).bundle)
        found = write(
            folder,
            ca,
            SSL_CERT_FILE="/nowhere.pem",
            CURL_CA_BUNDLE=str(tmp_path),
            PIP_CERT="",
            REQUESTS_CA_BUNDLE=str(garbage),
        )
        for variable in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
            assert certificates(found.bundle_for(variable)) == usual

    def test_the_second_time_it_stands_for_what_it_was_made_of(
        self, ca: CertificateAuthority, folder: Path, tmp_path: Path
    ) -> None:
        company = trustme.CA()
        environ = {"SSL_CERT_FILE": str(pem(company, tmp_path / "company.pem"))}
        for _ in range(2):
            files = write(folder, ca, **environ)
            bundles = {name: files.bundle_for(name) for name in CA_VARIABLES}
            assert trusts(bundles["SSL_CERT_FILE"], company)
            assert len(certificates(bundles["SSL_CERT_FILE"])) == 2
            assert not trusts(bundles["PIP_CERT"], company)
            environ = {name: str(path) for name, path in bundles.items()}

    def test_the_systems_are_read_anew_the_second_time(
        self, ca: CertificateAuthority, folder: Path
    ) -> None:
        files = write(folder, ca)
        files.bundle.write_text("")
        environ = {name: str(files.bundle_for(name)) for name in CA_VARIABLES}
        assert len(certificates(write(folder, ca, **environ).bundle)) > 100


class TestJava:
    """One JVM, started as an app is, in which the store is also the machine's own, as in a jail."""

    @pytest.fixture(scope="class")
    @staticmethod
    def files(tmp_path_factory: pytest.TempPathFactory) -> TrustFiles:
        folder = tmp_path_factory.mktemp("java")
        ca = read_ca(pem(trustme.CA(), folder / "mitmproxy-ca-cert.pem"))
        return write(folder / "some where", ca)

    @pytest.fixture(scope="class")
    @staticmethod
    def trusted(files: TrustFiles) -> dict[str, list[str]]:
        """What the program finds, by the names that it gives."""
        folder = files.java.parents[1]
        ca = read_ca(folder / "mitmproxy-ca-cert.pem")
        (folder / "Trusted.java").write_text(TRUSTED)
        shutil.copy(files.java, folder / "copy.p12")
        entry = pkcs12.PKCS12Certificate(ca.certificate, b"ours")
        with_mac = pkcs12.serialize_java_truststore([entry], NoEncryption())
        (folder / "mac.p12").write_bytes(with_mac)
        replaced = ReplacedFiles(["java"], {"PATH": PATH}).replaced(folder, ca, files)
        stores = [place for ours, place in replaced if ours == str(files.java)]
        assert stores, "apt-get install default-jdk-headless"
        mounted = 'for place in "$@"; do mount --bind "$0" "$place"; done\n'
        # Companies set the password of a store of theirs.
        before = "-Djavax.net.ssl.trustStore=/c.jks -Djavax.net.ssl.trustStorePassword=changeit"
        variables = app_variables("http://a:1", files, {"JAVA_TOOL_OPTIONS": before})
        shown = subprocess.run(
            [
                *("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"),
                f"{mounted}exec java Trusted.java copy.p12 mac.p12",
                *(str(files.java), *stores),
            ],
            env={"PATH": PATH, **variables},
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=100,
        ).stdout
        lines = (line.partition(" = ") for line in shown.splitlines())
        return {name: found.split() for name, _, found in lines}

    @pytest.mark.parametrize(
        "way",
        [
            "the property",
            "the property with a password",
            "an app's PKCS12 with changeit",
            "an app's PKCS12 with null",
            "an app's JKS with changeit",
            "an app's JKS with null",
            "an app's default type with changeit",
            "an app's default type with null",
            "cacerts",
            "an app's cacerts with changeit",
            "an app's cacerts with null",
        ],
    )
    def test_trusts_them_by_way_of(
        self, way: str, trusted: dict[str, list[str]], files: TrustFiles
    ) -> None:
        expected = [hashlib.sha256(each).hexdigest() for each in certificates(files.bundle)]
        assert len(expected) > 100
        assert sorted(trusted[way]) == sorted(expected)

    def test_would_not_if_the_store_had_a_mac(self, trusted: dict[str, list[str]]) -> None:
        """Which is why it has none; and the passwords of the ways above are really used."""
        assert trusted["a MAC: the property with a password"] == ["KeyStoreException"]
        assert trusted["a MAC: an app's PKCS12 with changeit"] == ["IOException"]
        assert len(trusted["a MAC: an app's PKCS12 with null"]) == 1


class TestOthers:
    def test_php_reads_its_folder_beside_its_own(
        self, ca: CertificateAuthority, folder: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "mine.ini").write_text("user_agent = mine\n")
        environ = {"PHP_INI_SCAN_DIR": str(tmp_path / "mine")}
        files = write(folder, ca)
        names = "['openssl.cafile', 'curl.cainfo', 'user_agent']"
        script = f"foreach ({names} as $name) echo get_cfg_var($name), PHP_EOL;"
        shown = subprocess.run(
            ["php", "-r", script],
            env={"PATH": PATH, **app_variables("http://a:1", files, environ)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        assert shown.splitlines() == [str(files.bundle), str(files.bundle), "mine"]

    def test_wget_has_the_users_settings_and_the_cas(
        self,
        ca: CertificateAuthority,
        standin: StandIn,
        certs: Certificates,
        folder: Path,
        tmp_path: Path,
    ) -> None:
        (tmp_path / ".wgetrc").write_text("output_document = here\nca_certificate = /nowhere.pem")
        files = write(folder, ca, HOME=str(tmp_path), SSL_CERT_FILE=str(certs.ca))
        subprocess.run(
            ["wget", "-q", f"{standin.url}/_standin/stats"],
            env={"PATH": PATH, "WGETRC": str(files.wgetrc)},
            cwd=tmp_path,
            check=True,
            timeout=60,
        )
        assert "connections" in (tmp_path / "here").read_text()
