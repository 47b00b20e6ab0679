"""Steps: Vast's names, its certificates, the account's endpoints and their workers."""

import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from ipaddress import ip_address

from ..config import Config
from ..engine.running import NotRunningError
from ..launch.named_proxy import NamedProxy, NamedProxyError, named_proxy
from ..status import Status
from ..urls import Place, place_of
from ..vast_api.console import ListedEndpoint
from .findings import Finding, NotApplicable, Problem
from .handshakes import handshake, handshake_with_machine
from .reach import Reach
from .subject import Subject
from .time_limits import all_of, within
from .vast_account import VastAccount, describe, ready, unknown

# Seconds: less than the step may take, so that it can say which name it is.
_LOOK_UP_SECONDS = 8.0
# Seconds for the interceptor, which is asked beside other steps and has one of its own.
_GLANCE = 1.0
_ADDRESSES_SHOWN = 2
_ENDPOINTS = 8


def look_at_names(subject: Subject) -> Finding:
    """Looks whether the names of Vast and of machines resolve, or that of the proxy to them."""
    subject.need_vast()
    with contextlib.suppress(NotRunningError, TimeoutError):
        subject.proxy = upstream_of(subject.glance.result(_GLANCE), subject.environ)
    if subject.proxy:
        found = _addresses(place_of(subject.proxy.url))
        return Finding(
            f"{found}, the proxy that the interceptor goes through; it resolves Vast's names"
        )
    machines = [place_of(machine.url) for machine in subject.config.machines.values()]
    places = {place.host: place for place in [*_places(subject.config), *machines]}
    return _together(partial(_addresses, place) for place in places.values())


def look_at_tls(subject: Subject) -> Finding:
    """Looks whether Vast's servers and machines answer, with certificates that are trusted."""
    subject.need_vast()
    reach = Reach(subject.config, subject.proxy)
    vast = [partial(handshake, reach, place) for place in _places(subject.config)]
    machines = [
        partial(handshake_with_machine, reach, name, place_of(machine.url))
        for name, machine in subject.config.machines.items()
    ]
    return _together([*vast, *machines])


def look_at_endpoints(subject: Subject) -> Finding:
    """Looks whether the account has the endpoints that the configuration names."""
    wanted = named_endpoints(subject)
    if not wanted and subject.config.endpoints():
        raise NotApplicable("all endpoints are machines, which no account lists")
    if subject.offline and not wanted:
        raise no_endpoint()
    subject.need_vast()
    reach = Reach(subject.config, subject.proxy)
    subject.account = VastAccount(subject.config, subject.key, reach)
    known = subject.account.endpoints()
    if not wanted:
        raise no_endpoint(known)
    if problems := [unknown(name, by, known) for name, by in wanted.items() if name not in known]:
        raise _one_of(problems)
    subject.endpoints = {name: known[name] for name in wanted}
    listed = [f"{name} (id {each.id})" for name, each in subject.endpoints.items()]
    return Finding(f"the account has {', '.join(listed)}")


def look_at_workers(subject: Subject) -> Finding:
    """Looks what the workers do. Without a ready one calls wait, which is no failure."""
    subject.need_vast()
    if not subject.endpoints:
        raise NotApplicable("not looked at, because the account was not")
    asked = list(subject.endpoints.values())[:_ENDPOINTS]
    found = all_of(partial(_states, subject.account, each) for each in asked)
    states = {each.name: future.result() for each, future in zip(asked, found, strict=True)}
    if all(isinstance(each, str) for each in states.values()):
        why = next(iter(states.values()))
        raise NotApplicable(f"Vast does not say what the workers do: {why}")
    message = "; ".join(f"{name}: {_described(each)}" for name, each in states.items())
    if (more := len(subject.endpoints) - len(asked)) > 0:
        message += f"; {more} more endpoints were not asked for"
    return Finding(message, advice="\n".join(_worker_notes(states)))


def named_endpoints(subject: Subject) -> dict[str, str]:
    """The endpoints of Vast's that calls may go to, each with the place that names it."""
    named: dict[str, str] = {}
    config = subject.config
    if config.endpoint:
        by_environ = "VAST_ENDPOINT" if subject.environ.get("VAST_ENDPOINT") else "vast.endpoint"
        named[config.endpoint] = "--endpoint" if subject.endpoint else by_environ
    for name in config.known_endpoints:
        named.setdefault(name, f"endpoints.{name}")
    for number, route in enumerate(config.routes):
        named.setdefault(route.endpoint, f"routes[{number}].endpoint")
        for place, name in enumerate(route.fallback):
            if name in config.endpoints():  # else it is the app's own provider
                named.setdefault(name, f"routes[{number}].fallback[{place}]")
    return {name: by for name, by in named.items() if not config.known_endpoint(name).machine}


def no_endpoint(known: Iterable[str] = ()) -> Problem:
    """The problem that no endpoint is configured. `known` are those of the account."""
    has = ", ".join(map(repr, sorted(known)[:_ENDPOINTS]))
    return Problem(
        "no endpoint is configured" + (f"; your Vast account has {has}" if has else ""),
        "Here and where the interceptor runs: export VAST_ENDPOINT=NAME\n"
        "or in the configuration's file: vast: {endpoint: NAME}\n"
        "or, if the interceptor was started with --endpoint: vast-intercept check --endpoint NAME",
    )


def upstream_of(status: Status, environ: Mapping[str, str]) -> NamedProxy | None:
    """The proxy behind an interceptor, with the password that the environment has for it."""
    for mode in status.modes:
        name, _, rest = mode.partition(":")
        if name == "upstream":
            # `upstream:http://host:port@8080` listens at 8080.
            url = rest.partition("@")[0]
            try:
                known = named_proxy(environ)
            except NamedProxyError:
                known = None
            return known if known and known.url == url else NamedProxy("", url)
    return None


def _places(config: Config) -> list[Place]:
    """The places of the interface in use, and of the console, if Vast is called."""
    if not config.calls_vast:
        return []
    return list(dict.fromkeys(map(place_of, (config.interface_url, config.console_url))))


def _addresses(place: Place) -> str:
    try:
        ip_address(place.host)
    except ValueError:
        pass
    else:
        return f"{place.host} is an address"
    look_up = partial(socket.getaddrinfo, place.host, place.port, type=socket.SOCK_STREAM)
    try:
        found = within(_LOOK_UP_SECONDS, look_up)
    except TimeoutError:
        raise Problem(
            f"{place.host} does not resolve within {_LOOK_UP_SECONDS:g} s",
            "Does the name server answer, and is this machine online? Ask by hand:\n"
            f"getent hosts {place.host}",
        ) from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Problem(
            f"{place.host} does not resolve: {reason}",
            "Is it spelled right in the configuration, and is this machine online? Ask by hand:\n"
            f"getent hosts {place.host}",
        ) from None
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    more = len(addresses) - _ADDRESSES_SHOWN
    shown = " and ".join(addresses[:_ADDRESSES_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"{place.host} is {shown}"


def _states(account: VastAccount, endpoint: ListedEndpoint) -> Counter[str] | str:
    try:
        return account.worker_states(endpoint)
    except Problem as problem:
        return problem.message


def _described(states: Counter[str] | str) -> str:
    if isinstance(states, str):
        return f"not known ({states})"
    return describe(states) if states else "no workers at all"


def _worker_notes(states: Mapping[str, Counter[str] | str]) -> Iterator[str]:
    for name, each in states.items():
        if not each:
            yield (
                f"{name}: calls wait until Vast has started a worker. Does the endpoint have a"
                " workergroup? vastai show workergroups"
            )
        elif not isinstance(each, str) and not ready(each):
            yield f"{name}: none is ready, so the first call waits for a cold start."


def _together(looks: Iterable[Callable[[], str]]) -> Finding:
    """Looks at several things at once. Raises one Problem for all problems that were found."""
    futures = all_of(looks)
    if problems := [each for future in futures if isinstance(each := future.exception(), Problem)]:
        raise _one_of(problems)
    return Finding(", ".join(future.result() for future in futures))


def _one_of(problems: list[Problem]) -> Problem:
    message = "; ".join(problem.message for problem in problems)
    return Problem(message, "\n".join(dict.fromkeys(problem.advice for problem in problems)))
