"""The CAs that an app must trust behind the interceptor: the public ones, and mitmproxy's."""

from pathlib import Path

import certifi

# mitmproxy's names: https://docs.mitmproxy.org/stable/concepts/certificates/
_CA_CERT = "mitmproxy-ca-cert.pem"
_BUNDLE = "vast-intercept-ca-bundle.pem"


def write_ca_bundle(confdir: Path) -> Path:
    """Writes the bundle beside mitmproxy's CA, which must be there. Returns its path.

    Most clients trust nothing but what they are pointed at (FACTS C2), and the hosts that are
    tunnelled show their own certificates, so that mitmproxy's CA alone would not do.
    """
    bundle = confdir / _BUNDLE
    text = Path(certifi.where()).read_text("utf-8") + "\n" + (confdir / _CA_CERT).read_text("utf-8")
    if not bundle.is_file() or bundle.read_text("utf-8") != text:
        bundle.write_text(text, "utf-8")
    return bundle
