"""Connects to Vast as the interceptor does, and says in words why a connection fails."""

import http.client
import socket
import ssl
from base64 import b64encode
from dataclasses import dataclass

from yarl import URL

from ..addresses import is_loopback_name
from ..config import Config
from ..launch.named_proxy import NamedProxy
from ..relay.upstreams.tls import public_context
from ..secret import Secret
from ..urls import Place, place_of
from ..vast_api.headers import headers
from .findings import NotApplicable, Problem, one_line

# Seconds: less than a step may take, so that it can say which connection was too slow.
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 8.0

# OpenSSL's X509_V_ERR_*: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_NOT_YET_VALID = 9
_EXPIRED = 10
_WRONG_NAMES = {62, 64}  # of a host, of an address
_UNKNOWN_CAS = {2, 18, 19, 20, 21}


class UntrustedProblem(Problem):
    """A certificate is of a CA that is not trusted here."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Connects to places of the configuration, with its CAs, directly or through a proxy."""

    config: Config
    proxy: NamedProxy | None

    def connect(
        self, place: Place, tls: ssl.SSLContext | None = None
    ) -> http.client.HTTPConnection:
        """An open connection with verified TLS. Raises Problem or NotApplicable.

        `tls` says whom to trust, if it is not the public CAs and `vast.ca_file`.
        """
        connection = self._connection(place, tls or public_context(self.config))
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _problem(error, place, self.proxy) from None
        return connection

    def ask(
        self, method: str, url: str, key: Secret | None, limit: int, body: bytes | None = None
    ) -> tuple[int, bytes]:
        """Status and body of an answer of at most `limit` bytes. Raises as `connect` does."""
        place = place_of(url)
        asked = headers(key.reveal() if key else None, body=body is not None) | {
            "connection": "close"
        }
        look = f"Is {url} right? Look at it in the configuration."
        connection = self.connect(place)
        connection.sock.settimeout(_ANSWER_SECONDS)
        try:
            connection.request(method, URL(url).raw_path_qs, body, asked)
            answer = connection.getresponse()
            received = answer.read(limit + 1)
        except TimeoutError:
            raise Problem(
                f"{place} did not answer within {_ANSWER_SECONDS:g} s",
                "Try again; if it stays so, look whether Vast has an outage.",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            what = f"{place} does not answer in HTTP as it should: {_brief(error)}"
            raise Problem(what, look) from None
        finally:
            connection.close()
        if len(received) > limit:
            raise Problem(f"{place} answered with more than {limit:,} bytes", look)
        return answer.status, received

    def _connection(self, place: Place, tls: ssl.SSLContext) -> http.client.HTTPConnection:
        proxy = self.proxy
        if place.scheme == "http":
            # This machine's own addresses, and what the configuration has as insecure.
            return http.client.HTTPConnection(place.host, place.port, timeout=_CONNECT_SECONDS)
        at = place_of(proxy.url) if proxy else place
        connection = http.client.HTTPSConnection(
            at.host, at.port, timeout=_CONNECT_SECONDS, context=tls
        )
        if proxy:
            auth = proxy.auth and b64encode(proxy.auth.encode()).decode()
            headers = {"Proxy-Authorization": f"Basic {auth}"} if auth else {}
            connection.set_tunnel(place.host, place.port, headers)
        return connection


def _problem(error: Exception, place: Place, proxy: NamedProxy | None) -> Problem | NotApplicable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_problem(error, place)
    by = f"the proxy {proxy.url}, which leads to {place}," if proxy else str(place)
    if isinstance(error, ssl.SSLError | ConnectionResetError | http.client.HTTPException):
        return _not_tls(error, place)
    if isinstance(error, socket.gaierror):
        return Problem(
            f"the name of {by} does not resolve: {error.strerror}",
            "Look at this machine's network and DNS.",
        )
    if isinstance(error, ConnectionRefusedError):
        return Problem(
            f"{by} refuses connections: nobody listens there",
            "It is the one that the interceptor goes through (--mode upstream:): does it run?"
            if proxy
            else f"Is the URL of {place.host} in the configuration right, with its port?",
        )
    if isinstance(error, TimeoutError):
        return Problem(
            f"{by} did not answer within {_CONNECT_SECONDS:g} s",
            "Does a firewall drop what goes there? Where only a proxy leads out, start the"
            " interceptor with: vast-intercept serve --mode upstream:http://PROXY:PORT",
        )
    if proxy and str(error).startswith("Tunnel connection failed"):
        if " 407" in str(error):
            return NotApplicable(
                f"the proxy {proxy.url} wants a password, which only the interceptor has"
            )
        return Problem(
            f"the proxy {proxy.url} does not connect to {place}: {error}",
            "It is the one that the interceptor goes through (--mode upstream:): ask whoever runs"
            f" the proxy to let {place} through.",
        )
    return Problem(f"cannot connect to {by}: {_brief(error)}", "Look at this machine's network.")


def _certificate_problem(error: ssl.SSLCertVerificationError, place: Place) -> Problem:
    code, reason = error.verify_code, error.verify_message
    look = f"openssl s_client -connect {place} -servername {place.host} </dev/null"
    if code == _EXPIRED:
        return Problem(
            f"the certificate of {place} has expired",
            f"Is this machine's clock right (`date`)? Else it must be renewed there. Look at it:\n"
            f"{look} | openssl x509 -noout -dates",
        )
    if code == _NOT_YET_VALID:
        return Problem(
            f"the certificate of {place} is not valid yet", "Set this machine's clock right: `date`"
        )
    if code in _WRONG_NAMES:
        return Problem(
            f"the certificate of {place} is for another host: {reason.rstrip('.')}",
            "Is the URL in the configuration right? Else something on the way answers in its"
            f" place. Look at it:\n{look} | openssl x509 -noout -subject -ext subjectAltName",
        )
    if code in _UNKNOWN_CAS:
        return UntrustedProblem(
            f"the certificate of {place} is from a CA that is not trusted here: {reason}",
            "If your company looks into TLS, name its CA's file in vast.ca_file in the"
            f" configuration. Whose it is:\n{look} | openssl x509 -noout -issuer",
        )
    return Problem(
        f"the certificate of {place} is not valid: {reason}",
        f"If it is right, name its CA's file in vast.ca_file. Look at it:\n{look}",
    )


def _not_tls(error: Exception, place: Place) -> Problem:
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        said = f"does not speak TLS ({reason})"
    else:
        said = "ends the connection in place of a TLS handshake"
    http_too = " For this machine's own addresses, http:// may do." * is_loopback_name(place.host)
    return Problem(
        f"{place} {said}",
        f"Is the URL of {place.host} in the configuration right, with its port? Else a firewall or"
        f" proxy on the way answers in its place.{http_too}",
    )


def _brief(error: Exception) -> str:
    return one_line(getattr(error, "strerror", None) or str(error)) or type(error).__name__
