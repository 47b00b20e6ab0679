"""Steps: the interceptor, its CA, and the shell that apps are started from."""

import os
import shlex
import ssl
from collections.abc import Iterator
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

from .. import __version__
from ..certificates.own_ca import CaError, read_ca
from ..engine.running import NotRunningError, ask_status
from ..shut_down_models import what_it_means
from ..urls import place_of
from . import shell
from .findings import Finding, NotApplicable, Problem, one_line
from .subject import Subject
from .target import chat_url

_SECONDS = 5.0
_HOSTS_SHOWN = 4


def look_at_interceptor(subject: Subject) -> Finding:
    """Looks whether an interceptor answers, and what it does."""
    try:
        status = ask_status(subject.port)
    except NotRunningError as error:
        raise Problem(
            str(error).partition(". ")[0].rstrip("."),
            f"vast-intercept serve -p {subject.port}\n"
            "or, if it listens at another port: vast-intercept check --port PORT",
        ) from None
    subject.status = status
    if status.problem and subject.config_is_valid:
        raise Problem(
            f"it answers, but cannot use its configuration: {status.problem.rstrip('.')}",
            "Mend it: the interceptor reads it again by itself. Or start it anew with the one that"
            f" was checked here:\nvast-intercept serve -p {subject.port}{_config_option(subject)}",
        )
    if subject.config_is_valid:
        url = chat_url(status, subject.config, subject.file, subject.port)
        if url is None:
            raise Problem(
                "it answers, but takes over no provider's connections",
                "Name some in the configuration: providers: [openai]",
            )
        subject.chat_url = url
    hosts = ", ".join(status.provider_hosts[:_HOSTS_SHOWN])
    more = ", ..." if len(status.provider_hosts) > _HOSTS_SHOWN else ""
    return Finding(
        f"version {status.version} answers at 127.0.0.1:{subject.port}",
        (
            f"mode           {subject.door.mode}",
            f"configuration  {status.config}",
            f"takes over     {hosts}{more}",
        ),
        "\n".join(_advice(subject)),
    )


def _advice(subject: Subject) -> Iterator[str]:
    status = subject.status
    if said := what_it_means(status.shut_down):
        yield said
    if status.version != __version__:
        yield f"This is version {__version__}, the interceptor's {status.version}: start it anew."
    if subject.config_is_valid and (
        os.path.realpath(status.config) != os.path.realpath(subject.config.source)
    ):
        yield (
            f"It runs with {status.config}, and {subject.config.source} is what was checked here."
            f" To check that one:\nvast-intercept check --port {subject.port} --config"
            f" {shlex.quote(status.config)}"
        )


def _config_option(subject: Subject) -> str:
    return f" --config {shlex.quote(str(subject.path))}" if subject.path else ""


def look_at_ca(subject: Subject) -> Finding:
    """Looks whether the CA is valid, and whether the interceptor uses it."""
    try:
        ca = read_ca(Path(subject.status.ca_file))
        ca.check_validity()
    except CaError as error:
        what, _, how = str(error).partition(". ")
        raise Problem(
            what.rstrip("."),
            how or "Start the interceptor anew: it makes the CA that it does not find.",
        ) from None
    subject.ca = ca
    if subject.config_is_valid and subject.door.is_proxy:
        _compare(subject)
    return Finding(
        f"{ca.path} is valid until {ca.expires:%Y-%m-%d}", (f"SHA-256 {ca.fingerprint}",)
    )


def _compare(subject: Subject) -> None:
    """Raises Problem if the interceptor uses another CA, since this one replaced it."""
    place = place_of(subject.chat_url)
    if place.scheme != "https" or not place.host:
        return
    context = ssl.create_default_context(cafile=subject.ca.path)
    # This compares only who signed: apps judge whether the CA is strictly valid.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    connection = HTTPSConnection("127.0.0.1", subject.port, timeout=_SECONDS, context=context)
    connection.set_tunnel(place.host, place.port)
    try:
        connection.connect()
    except (OSError, HTTPException) as error:
        reason = getattr(error, "verify_message", "") or str(error)
        raise Problem(
            f"the certificate that the interceptor shows for {place.host} is not from"
            f" {subject.ca.path}: {one_line(reason)}",
            "Was the CA replaced while the interceptor runs? Stop it, and start it anew:\n"
            f"vast-intercept serve -p {subject.port}{_config_option(subject)}",
        ) from None
    finally:
        connection.close()


def look_at_variables(subject: Subject) -> Finding:
    """Looks whether apps that are started from this shell use and trust the interceptor."""
    door = subject.door
    if door.is_reverse:
        raise NotApplicable(
            f"none are needed in mode {door.mode}: the apps' base URL is"
            f" http://127.0.0.1:{subject.port}/v1"
        )
    if not subject.config_is_valid:
        raise NotApplicable("not looked at, because configuration failed")
    environ = subject.environ
    problems = list(shell.ca_problems(environ, subject.ca))
    if door.is_proxy:
        hosts = {host for host, _ in subject.status.listening}
        problems[:0] = shell.proxy_problems(environ, subject.chat_url, subject.port, hosts)
    if problems:
        raise Problem("; ".join(problems), "\n".join(_how_to_set_up(subject)))
    subject.shell_is_set_up = True
    return Finding(
        "this shell's proxy and CA variables lead to the interceptor",
        tuple(shell.notes(environ, subject.ca, subject.status.provider_hosts)),
    )


def _how_to_set_up(subject: Subject) -> Iterator[str]:
    environ = subject.environ
    yield f'eval "$(vast-intercept env --port {subject.port})"'
    for name in ("no_proxy", "NO_PROXY"):
        value = environ.get(name, "")
        if excluding := shell.excluding(value, subject.chat_url):
            kept = [part.strip() for part in value.split(",") if part.strip() not in excluding]
            yield f"export {name}={shlex.quote(','.join(filter(None, kept)))}"
    if other := shell.other_proxy(environ, subject.port):
        yield (
            f"If the way out leads through {other}, have the interceptor use it:"
            f" vast-intercept serve --mode upstream:{other}"
        )
