"""What aiohttp's exceptions mean, in OpenAI's terms."""

import socket
from functools import partial

import aiohttp

from ...descriptors import LOCAL_ERRORS
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_gateway
from ..failures import NO_ROOM, AttemptFailed
from . import far_clients

type HttpError = aiohttp.ClientError | TimeoutError

_unreachable = partial(bad_gateway, code=ErrorCode.VAST_UNREACHABLE)
_disconnected = partial(bad_gateway, code=ErrorCode.VAST_DISCONNECTED)
_no_http = partial(bad_gateway, code=ErrorCode.BAD_UPSTREAM_ANSWER)
_no_tls = partial(bad_gateway, code=ErrorCode.VAST_TLS_ERROR)
_timed_out = partial(bad_gateway, code=ErrorCode.VAST_TIMEOUT, status=504)

# OpenSSL's names for what a server says that expects no TLS.
_NO_TLS_AT_ALL = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")

_FOR_ANOTHER_HOST = (
    "It is another host's: either the address is wrong, or something on the way answers."
)
# What helps against a certificate, by OpenSSL's X509_V_ERR_... (x509_vfy.h).
_CERTIFICATE_ADVICE = {
    9: "Is this machine's clock right?",  # not yet valid
    10: "It has to be renewed there, unless this machine's clock is wrong.",  # expired
    62: _FOR_ANOTHER_HOST,  # host name mismatch
    64: _FOR_ANOTHER_HOST,  # IP address mismatch
}


def failure(error: HttpError, host: str, *, sent: bool = False) -> AttemptFailed | ApiError:
    """What to raise for a request to `host` that failed: ApiError where a retry cannot help.

    `sent` says that the whole request was sent if a connection was made.
    """
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        error.os_error, far_clients.ThisMachineError
    ):
        return far_clients.refused(host)
    failed = attempt_failed(error, host, sent=sent)
    return failed.error if failed.error.retry is False else failed


def attempt_failed(error: HttpError, host: str, *, sent: bool) -> AttemptFailed:
    """What to raise for a failed request, whether or not a retry can help (see `failure`)."""
    connecting = isinstance(error, aiohttp.ClientConnectorError | TimeoutError)
    dropped = not connecting and isinstance(
        error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError
    )
    broken_off = isinstance(error, aiohttp.ClientPayloadError)
    return AttemptFailed(
        describe_failure(error, host),
        at_once=dropped,
        lost=(dropped or broken_off) and sent,
        # A resolver that may open no file says that there is no such name, as for a wrong one.
        local=_is_lack(error) or isinstance(getattr(error, "os_error", error), socket.gaierror),
    )


def describe_failure(error: HttpError, host: str) -> ApiError:
    """An aiohttp failure of a call to `host` as an error that tells the reader what to look at."""
    match error:
        case aiohttp.ClientOSError() if _is_lack(error):
            lack = f"Something is missing on this machine for a connection to {host!r}: {error}."
            return bad_gateway(lack, NO_ROOM, 503)
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            return _not_connected(error, host)
        case aiohttp.ConnectionTimeoutError():
            return _timed_out(f"Connecting to {host!r} took too long.")
        case TimeoutError():  # aiohttp's other time-outs are one, too
            return _timed_out(f"{host!r} was silent for too long.")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return _disconnected(f"{host!r} closed the connection before it answered.")
        case aiohttp.ClientPayloadError():
            return _disconnected(f"{host!r} broke off in the middle of its answer.")
        case aiohttp.ClientResponseError():  # (FACTS M41)
            return _no_http(
                f"{host!r} did not answer in HTTP as it should: the head of its answer cannot be"
                " read, or has a header of more than 8 kB.",
                retry=False,
            )
        case _:
            return _no_http(
                f"{host!r} did not answer in HTTP as it should ({type(error).__name__})."
            )


def _not_connected(
    error: aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError, host: str
) -> ApiError:
    """Why there is no connection to `host`."""
    match error:
        case aiohttp.ClientHttpProxyError():
            said = f"status {error.status} {error.message}".rstrip(" .")
            return _unreachable(f"The proxy does not connect to {host!r}: {said}.")
        case aiohttp.ClientConnectorDNSError():
            return _unreachable(
                f"The name {host!r} does not resolve: check this machine's network and DNS."
            )
        case aiohttp.ClientConnectorCertificateError():
            return _no_tls(_not_trusted(error.certificate_error, host), retry=False)
        case aiohttp.ClientConnectorSSLError() if _speaks_no_tls(error):
            return _no_tls(
                f"{host!r} does not speak TLS at port {error.port}. If it serves plain HTTP, its"
                " URL must begin with http.",
                retry=False,
            )
        case aiohttp.ClientConnectorSSLError():
            return _no_tls(f"No TLS connection to {host!r}: {error.os_error}.")
    reason = error.os_error.strerror or str(error.os_error)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return _unreachable(
            f"Cannot connect to the proxy {error.host}:{error.port}, through which {host!r} is to"
            f" be reached: {reason}."
        )
    return _unreachable(f"Cannot connect to {host!r}: {reason}.")


def _speaks_no_tls(error: aiohttp.ClientConnectorError) -> bool:
    return getattr(error.os_error, "reason", None) in _NO_TLS_AT_ALL


def _not_trusted(problem: Exception, host: str) -> str:
    """What is wrong with the certificate of `host`, and what can be done."""
    said = (getattr(problem, "verify_message", "") or str(problem)).rstrip(".")
    advice = _CERTIFICATE_ADVICE.get(
        getattr(problem, "verify_code", 0), "If it is right, name its CA in vast.ca_file."
    )
    return f"The TLS certificate of {host!r} is not trusted: {said}. {advice}"


def _is_lack(error: HttpError) -> bool:
    """Whether this machine itself says that it lacks something, such as file descriptors."""
    cause = getattr(error, "os_error", error)
    # The numbers of a resolver's errors are others.
    return getattr(cause, "errno", None) in LOCAL_ERRORS and not isinstance(cause, socket.gaierror)
