"""The steps in their order, each with the steps that it needs."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from urllib.parse import urlsplit

from ..engine.running import NotRunningError, ask_status
from ..openai_api.error_codes import ErrorCode
from ..secret import Secret, is_sendable
from ..status import Status
from . import configuration_steps as configured
from . import local_steps as local
from .app_calls import CallRefused, CheckingApp
from .findings import Finding, NotApplicable
from .steps import Step
from .subject import Subject
from .target import door_of, model_for
from .time_limits import start
from .vast_steps import VastSteps, named_endpoints, no_endpoint

# Seconds. The configuration may allow a call ten minutes, for which nobody waits.
_LONGEST_CALL = 60.0
# Seconds until the interceptor has said why there is no answer.
_GRACE = 2.0
# Seconds for a look at the interceptor beside other steps. It has a step of its own.
_GLANCE = 1.0


def steps(subject: Subject) -> Iterator[Step]:
    """All steps. With `--offline`, those that need Vast say that they did not look."""
    glance = start(lambda: _glance(subject.port))
    vast = VastSteps(subject, lambda: _soon(glance))

    def online(look: Callable[[], Finding]) -> Callable[[], Finding]:
        return _not_offline if subject.offline else look

    def endpoints() -> Finding:
        if subject.offline and not named_endpoints(subject):
            raise no_endpoint()
        return online(vast.look_at_endpoints)()

    # Calls do not need `key`: the interceptor may have a key that this shell has not.
    calls_need = ("configuration", "names", "tls", "endpoint", "interceptor", "ca")
    limit = _LONGEST_CALL + 2 * _GRACE
    yield Step("configuration", lambda: configured.look_at_configuration(subject))
    yield Step("key", lambda: configured.look_at_key(subject), ("configuration",))
    yield Step("names", online(vast.look_at_names), ("configuration",))
    yield Step("tls", online(vast.look_at_tls), ("names",))
    yield Step("endpoint", endpoints, ("key", "tls"))
    yield Step("workers", online(vast.look_at_workers), ("endpoint",))
    yield Step("interceptor", lambda: local.look_at_interceptor(subject))
    yield Step("ca", lambda: local.look_at_ca(subject), ("interceptor",))
    yield Step("variables", lambda: local.look_at_variables(subject), ("configuration", "ca"))
    yield Step(
        "whole_call",
        online(lambda: _call(subject, CheckingApp.whole)),
        calls_need,
        frozenset({"key"}),
        limit,
    )
    yield Step(
        "streamed_call",
        online(lambda: _call(subject, CheckingApp.streamed)),
        (*calls_need, "whole_call"),
        frozenset({"key"}),
        limit,
    )


def _not_offline() -> Finding:
    raise NotApplicable("not looked at, because of --offline")


def _glance(port: int) -> Status | None:
    try:
        return ask_status(port)
    except NotRunningError:
        return None


def _soon(glance: Future[Status | None]) -> Status | None:
    try:
        return glance.result(_GLANCE)
    except TimeoutError:
        return None


def _call(subject: Subject, kind: Callable[[CheckingApp], Finding]) -> Finding:
    try:
        return kind(_app(subject))
    except CallRefused as refused:
        if refused.code == ErrorCode.VAST_KEY_MISSING and subject.key_is_missing:
            raise NotApplicable("the interceptor has no key either, because key failed") from None
        raise


def _app(subject: Subject) -> CheckingApp:
    door = door_of(subject.status, subject.port)
    here = f"http://127.0.0.1:{subject.port}"
    url, proxies = subject.chat_url, {}
    if door.is_reverse:
        url = here + urlsplit(url).path
    elif door.is_proxy:
        proxies = {"http": here, "https": here}
    else:
        raise NotApplicable(f"in mode {door.mode} only an app behind it can call")
    by_shell = subject.shell_is_set_up and door.is_proxy
    key = subject.environ.get("OPENAI_API_KEY", "").strip()
    return CheckingApp(
        url=url,
        model=model_for(subject.config),
        key=Secret(key) if is_sendable(key) else None,
        seconds=min(subject.config.timeout.total + _GRACE, _LONGEST_CALL),
        trust_env=by_shell,
        proxies={} if by_shell else proxies,
        verify=None if by_shell else str(subject.ca.path),
        providers=[provider.name for provider in subject.config.providers],
    )
