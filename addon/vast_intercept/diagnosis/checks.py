"""What is looked at, in which order, and what each thing needs."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from urllib.parse import urlsplit

from ..engine.running import NotRunningError, ask_status
from ..openai_api.error_codes import ErrorCode
from ..secret import Secret, is_sendable
from ..status import Status
from . import configured, local
from .calls import App, CallRefused
from .limits import start
from .outcome import Finding, NotApplicable
from .steps import Step
from .subject import Subject
from .target import door_of, model_for
from .vast import Vast, named_endpoints, no_endpoint

# An app's call may take as long as the configuration lets it, but nobody waits for ten minutes.
_LONGEST_CALL = 60.0
# Until the interceptor's word for why there is no answer is here.
_GRACE = 2.0
# For a look at the interceptor beside the other steps; it has a step of its own.
_GLANCE = 1.0


def steps(subject: Subject) -> Iterator[Step]:
    """All of them. Without Vast, those that ask it are there, too, and say that they were not."""
    glance = start(lambda: _glance(subject.port))
    vast = Vast(subject, lambda: _soon(glance))

    def online(look: Callable[[], Finding]) -> Callable[[], Finding]:
        return _not_offline if subject.offline else look

    def endpoints() -> Finding:
        if subject.offline and not named_endpoints(subject):
            raise no_endpoint()
        return online(vast.look_at_endpoints)()

    # Whether the interceptor has what this shell has not, only a call can tell.
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
        online(lambda: _call(subject, App.whole)),
        calls_need,
        frozenset({"key"}),
        limit,
    )
    yield Step(
        "streamed_call",
        online(lambda: _call(subject, App.streamed)),
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


def _call(subject: Subject, kind: Callable[[App], Finding]) -> Finding:
    try:
        return kind(_app(subject))
    except CallRefused as refused:
        if refused.code == ErrorCode.VAST_KEY_MISSING and subject.key_is_missing:
            raise NotApplicable("the interceptor has no key either, because key failed") from None
        raise


def _app(subject: Subject) -> App:
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
    return App(
        url=url,
        model=model_for(subject.config),
        key=Secret(key) if is_sendable(key) else None,
        seconds=min(subject.config.timeout.total + _GRACE, _LONGEST_CALL),
        trust_env=by_shell,
        proxies={} if by_shell else proxies,
        verify=None if by_shell else str(subject.ca.path),
        providers=[provider.name for provider in subject.config.providers],
    )
