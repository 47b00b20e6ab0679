"""The steps in their order, each with the steps that it needs."""

from collections.abc import Iterator
from functools import partial

from ..engine.running import ask_status
from .app_calls import streamed_call, whole_call
from .calling import LIMIT
from .configuration_steps import look_at_configuration, look_at_key
from .listed_calls import listed_calls
from .local_steps import look_at_ca, look_at_interceptor, look_at_variables
from .other_api_calls import messages_call, responses_call
from .steps import Step
from .subject import Subject
from .time_limits import start
from .vast_steps import look_at_endpoints, look_at_names, look_at_tls, look_at_workers
from .vision_call import sees, vision_call

# Calls do not need `key`: the interceptor may have a key that this shell has not.
_CALLS_NEED = ("configuration", "names", "tls", "endpoint", "interceptor", "ca")


def steps(subject: Subject) -> Iterator[Step]:
    """All steps. With `--offline`, those that need Vast say that they did not look.

    Which ones are the last is known once the configuration has been read.
    """
    subject.glance = start(partial(ask_status, subject.port))
    call = partial(Step, despite=frozenset({"key"}), limit=LIMIT)
    yield from (
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
        call("responses_call", partial(responses_call, subject), (*_CALLS_NEED, "whole_call")),
    )
    if not subject.config_is_valid:
        return
    if any(each.api == "anthropic" for each in subject.config.providers):
        yield call("messages_call", partial(messages_call, subject), (*_CALLS_NEED, "whole_call"))
    yield from listed_calls(subject, call, _CALLS_NEED)
    if any(sees(subject.config, each) for each in subject.config.endpoints()):
        yield call("vision_call", partial(vision_call, subject), (*_CALLS_NEED, "whole_call"))
