"""How to have systems, browsers and runtimes trust the interceptor's CA: what `ca` prints."""

import shlex

from .own_ca import CertificateAuthority

_HOW = """
One app               vast-intercept run -- COMMAND
One shell             eval "$(vast-intercept env)"
This system           vast-intercept ca --install        (as root; undone with --uninstall)

Debian, Ubuntu        sudo cp {path} /usr/local/share/ca-certificates/vast-intercept.crt
                      sudo update-ca-certificates
Fedora, RHEL          sudo cp {path} /etc/pki/ca-trust/source/anchors/vast-intercept.pem
                      sudo update-ca-trust
macOS                 sudo security add-trusted-cert -d -p ssl -p basic \\
                        -k /Library/Keychains/System.keychain {path}
Windows               certutil -addstore root mitmproxy-ca-cert.cer        (as administrator)
Firefox               Settings, Privacy & Security, View Certificates, Authorities, Import:
                      {file}
Chromium, Chrome      vast-intercept run --nss -- COMMAND, or for good, with NSS's certutil:
                      certutil -A -d sql:$HOME/.pki/nssdb -n vast-intercept -t C,, -i {path}
                      (without a folder ~/.pki/nssdb: sql:$HOME/.local/share/pki/nssdb)
Java                  keytool -importcert -cacerts -noprompt -storepass changeit \\
                        -alias vast-intercept -file {path}
Docker                docker run $(vast-intercept env --format docker) IMAGE
                      or in the Dockerfile of a Debian image:
                      COPY mitmproxy-ca-cert.pem /usr/local/share/ca-certificates/vast-intercept.crt
                      RUN update-ca-certificates
Android               Settings, Security, Encryption & credentials, Install a certificate, CA
                      certificate: mitmproxy-ca-cert.cer. Apps that target Android 7 or later trust
                      it only if their network security configuration says so.
"""


def description(ca: CertificateAuthority) -> str:
    """The CA's file, fingerprint and end, and what to do so that apps trust it."""
    how = _HOW.format(path=shlex.quote(str(ca.path)), file=ca.path)
    return (
        f"CA            {ca.path}\n"
        f"SHA-256       {ca.fingerprint}\n"
        f"Valid until   {ca.expires:%Y-%m-%d}\n"
        "\n"
        "Whoever has the private key beside it can read what apps that trust it send. How to have\n"
        f"them trust it:\n{how}"
    ).rstrip()
