"""Connects to Vast's servers and to machines, and looks at their certificates."""

import ssl
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..addresses import is_loopback_name
from ..relay.upstreams.trust import usable_root, vast_context
from ..urls import Place
from ..vast_api.console import LARGEST_ROOT, root_url
from .findings import NotApplicable, Problem
from .reach import Reach, UntrustedProblem


def handshake(reach: Reach, place: Place, tls: ssl.SSLContext | None = None) -> str:
    """Connects to a place, and says whose certificate it has. Raises as `Reach.connect` does."""
    connection = reach.connect(place, tls)
    try:
        if not isinstance(connection.sock, ssl.SSLSocket):
            where = "on this machine" if is_loopback_name(place.host) else "elsewhere"
            return f"{place} is {where}, without TLS"
        certificate = connection.sock.getpeercert() or {}
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
        return f"{place} has a certificate of {_issuer(certificate)} until {ends:%Y-%m-%d}"
    finally:
        connection.close()


def handshake_with_machine(reach: Reach, name: str, place: Place) -> str:
    """Does the same with a machine, which Vast's root may verify. Raises Problem that names it.

    As in the relay, certificates of Vast's kind are taken, the root is fetched only if one is not
    trusted without it, and no proxy leads to this machine itself.
    """
    to_machine = replace(reach, proxy=None) if is_loopback_name(place.host) else reach
    try:
        try:
            said = handshake(to_machine, place, vast_context(reach.config, None))
        except UntrustedProblem:
            if not (root := _root(reach)):
                raise
            said = handshake(to_machine, place, vast_context(reach.config, root))
    except Problem as problem:
        raise Problem(f"the machine {name!r}: {problem.message}", problem.advice) from None
    return f"{name}: {said}"


def _root(reach: Reach) -> str | None:
    """Vast's root, or None if it cannot be had or has no place here."""
    if reach.config.ca_file:
        return None
    try:
        url = root_url(reach.config.console_url)
        status, body = reach.ask("GET", url, None, LARGEST_ROOT)
        return usable_root(body) if status == 200 else None
    except (Problem, NotApplicable, ValueError):
        return None


def _issuer(certificate: Mapping[str, Any]) -> str:
    names = {key: value for part in certificate.get("issuer", ()) for key, value in part}
    return repr(names.get("organizationName") or names.get("commonName") or "an unnamed CA")
