"""The steps in their order, each with the steps that it needs."""

from functools import partial

from ..engine.running import ask_status
from .app_calls import LIMIT, streamed_call, whole_call
from .configuration_steps import look_at_configuration, look_at_key
from .local_steps import look_at_ca, look_at_interceptor, look_at_variables
from .steps import Step
from .subject import Subject
from .time_limits import start
from .vast_steps import look_at_endpoints, look_at_names, look_at_tls, look_at_workers

# Calls do not need `key`: the interceptor may have a key that this shell has not.
_CALLS_NEED = ("configuration", "names", "tls", "endpoint", "interceptor", "ca")


def steps(subject: Subject) -> list[Step]:
    """All steps. With `--offline`, those that need Vast say that they did not look."""
    subject.glance = start(partial(ask_status, subject.port))
    call = partial(Step, despite=frozenset({"key"}), limit=LIMIT)
    return [
        Step("configuration", partial(look_at_configuration, subject)),
        Step("key", partial(look_at_key, subject), ("configuration",)),
        Step("names", partial(look_at_names, subject), ("configuration",)),
        Step("tls", partial(look_at_tls, subject), ("names",)),
        Step("endpoint", partial(look_at_endpoints, subject), ("key", "tls")),
        Step("workers", partial(look_at_workers, subject), ("endpoint",)),
        Step("interceptor", partial(look_at_interceptor, subject)),
        Step("ca", partial(look_at_ca, subject), ("interceptor",)),
        Step("variables", partial(look_at_variables, subject), ("configuration", "ca")),
        call("whole_call", partial(whole_call, subject), _CALLS_NEED),
        call("streamed_call", partial(streamed_call, subject), (*_CALLS_NEED, "whole_call")),
    ]
