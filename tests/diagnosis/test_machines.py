"""Machines of one's own are in no account: there is nothing to look for."""

from typing import Any

import pytest
from msgspec.structs import replace

from vast_intercept.config.config import defaults
from vast_intercept.config.endpoints import read_endpoints
from vast_intercept.config.file import EndpointSection, Route
from vast_intercept.diagnosis.findings import NotApplicable, Problem
from vast_intercept.diagnosis.subject import Subject
from vast_intercept.diagnosis.vast_steps import (
    look_at_endpoints,
    look_at_workers,
    named_endpoints,
)

BOX = EndpointSection(url="https://203.0.113.7:41234", serves=["embeddings"])
EMBEDDER = EndpointSection(serves=["embeddings"])


def subject(endpoints: dict[str, EndpointSection], **changes: Any) -> Subject:
    """What is checked, with this configuration."""
    made = Subject(config_option=None, endpoint=None, port=8080, offline=True, environ={})
    known = read_endpoints(endpoints, {}, serverless=True)
    made.config = replace(defaults(), known_endpoints=known, **changes)
    return made


def test_those_of_vast_s_are_looked_for_with_the_place_that_names_them() -> None:
    routes = (Route(model="a", endpoint="box", fallback=("spare", "box")),)
    made = subject({"box": BOX, "embedder": EMBEDDER}, endpoint="chat", routes=routes)
    assert named_endpoints(made) == {
        "chat": "vast.endpoint",
        "embedder": "endpoints.embedder",
        "spare": "routes[0].fallback[0]",
    }


def test_without_any_of_vast_s_nothing_is_looked_for() -> None:
    made = subject({"box": BOX}, endpoint="box")
    made.offline = False
    with pytest.raises(NotApplicable, match="all endpoints are machines"):
        look_at_endpoints(made)
    with pytest.raises(NotApplicable):
        look_at_workers(made)


def test_without_any_endpoint_at_all_that_is_a_problem() -> None:
    with pytest.raises(Problem, match="no endpoint is configured"):
        look_at_endpoints(subject({}))
