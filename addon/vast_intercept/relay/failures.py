"""What went wrong between the relay and Vast, in OpenAI's terms."""

import logging
import socket
import traceback

import aiohttp

from ..descriptors import LOCAL_ERRORS
from ..openai_api.errors import ApiError, bad_gateway

logger = logging.getLogger(__name__)

_NO_ROOM = "interceptor_overloaded"


def is_local(error: BaseException) -> bool:
    """Whether something was missing on this machine: it says nothing about who was called."""
    # A resolver that may open no file says that there is no such name, as it says of wrong names.
    return isinstance(_cause_of(error), socket.gaierror) or _is_lack(error)


def _is_lack(error: BaseException) -> bool:
    """Whether this machine itself says that it lacks something, such as file descriptors."""
    cause = _cause_of(error)
    return (
        isinstance(cause, OSError)
        and not isinstance(cause, socket.gaierror)  # its numbers are others
        and cause.errno in LOCAL_ERRORS
    )


def _cause_of(error: BaseException) -> object:
    return getattr(error, "os_error", error)


def no_room() -> ApiError:
    """For a call that would take the last file descriptors."""
    message = "The interceptor has as many calls at once as it may open files for."
    return bad_gateway(message, _NO_ROOM, 503, retry_after=1)


def internal_error(error: Exception, request_id: str) -> ApiError:
    """What an app is told when our own code fails, which is logged."""
    # The place, but not the error's own text: that may quote what must not be seen.
    logger.error(
        "The call %s failed with %s, which is a bug:\n%s",
        request_id,
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),
    )
    return ApiError(
        500, "The interceptor failed. Its log says more.", "server_error", "internal_error"
    )


def describe_failure(error: BaseException, host: str) -> ApiError:
    """An aiohttp failure of a call to `host` as an error that tells the reader what to look at."""
    match error:
        case aiohttp.ClientOSError() if _is_lack(error):
            return bad_gateway(
                f"Something is missing on this machine for a connection to {host!r}: {error}.",
                _NO_ROOM,
                503,
            )
        case aiohttp.ClientConnectorDNSError():
            return bad_gateway(
                f"The name {host!r} does not resolve: check this machine's network and DNS.",
                "vast_unreachable",
            )
        case aiohttp.ClientConnectorCertificateError():
            return bad_gateway(
                f"The TLS certificate of {host!r} is not trusted:"
                f" {_certificate_problem(error)}. If it is right, name its CA in vast.ca_file.",
                "vast_tls_error",
                retry=False,
            )
        case aiohttp.ClientConnectorSSLError():
            return bad_gateway(
                f"No TLS connection to {host!r}: {error.os_error}.", "vast_tls_error"
            )
        case aiohttp.ClientProxyConnectionError():
            return bad_gateway(
                f"Cannot connect to the proxy {error.host}:{error.port}, through which {host!r} is"
                f" to be reached: {error.os_error.strerror or error.os_error}.",
                "vast_unreachable",
            )
        case aiohttp.ClientHttpProxyError():
            return bad_gateway(
                f"The proxy does not connect to {host!r}: status {error.status}"
                f" {error.message}.".rstrip(" .")
                + ".",
                "vast_unreachable",
            )
        case aiohttp.ConnectionTimeoutError():
            return bad_gateway(f"Connecting to {host!r} took too long.", "vast_timeout", 504)
        case TimeoutError():  # aiohttp's other time-outs are one, too
            return bad_gateway(f"{host!r} was silent for too long.", "vast_timeout", 504)
        case aiohttp.ClientConnectorError():
            reason = error.os_error.strerror or str(error.os_error)
            return bad_gateway(f"Cannot connect to {host!r}: {reason}.", "vast_unreachable")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return bad_gateway(
                f"{host!r} closed the connection before it answered.", "vast_disconnected"
            )
        case aiohttp.ClientPayloadError():
            return bad_gateway(
                f"{host!r} broke off in the middle of its answer.", "vast_disconnected"
            )
        case aiohttp.ClientResponseError():  # (FACTS M41)
            return bad_gateway(
                f"{host!r} did not answer in HTTP as it should: the head of its answer cannot be"
                " read, or has a header of more than 8 kB.",
                "bad_upstream_answer",
                retry=False,
            )
        case _:
            return bad_gateway(
                f"{host!r} did not answer in HTTP as it should ({type(error).__name__}).",
                "bad_upstream_answer",
            )


def _certificate_problem(error: aiohttp.ClientConnectorCertificateError) -> str:
    problem = error.certificate_error
    return getattr(problem, "verify_message", "") or str(problem)
