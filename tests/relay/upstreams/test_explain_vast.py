"""What Vast's answers mean that are no success, by what is configured and what was asked for."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.fixtures.prepared import prepared
from vast_intercept.config import UpstreamKind, load_config
from vast_intercept.config.file import Route
from vast_intercept.openai_api.operations import Operation
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.upstreams.base import Attempt, UpstreamRequest, explain_vast
from vast_intercept.relay.work import ToVast

CHAT = Operation.CHAT_COMPLETIONS
UNKNOWN = b"404: Not Found"
VLLMS = b'{"detail":"Not Found"}'


def attempt(
    operation: Operation = CHAT,
    *,
    model: str = "m",
    endpoint: str | None = None,
    interface: UpstreamKind = UpstreamKind.SERVERLESS,
) -> Attempt:
    """An attempt at `embedder`; `endpoint` is the one that the path names."""
    routes = (Route(model="gpt-*", endpoint="embedder"),)
    config = replace(load_config(None, {}), endpoint="embedder", routes=routes, interface=interface)
    progress = Progress(prepared(config=config, work=ToVast(operation, endpoint=endpoint)))
    progress.model = model
    request = UpstreamRequest(
        progress,
        operation,
        (b'{"model":""}',),
        cost=1,
        stream=False,
        original=b"",
        accept="application/json",
    )
    return Attempt(request, "embedder", lambda _: None)


@pytest.mark.parametrize("body", [UNKNOWN, VLLMS, b""])
@pytest.mark.parametrize("operation", [*Operation])
def test_a_path_that_is_not_known_is_no_mistake_of_the_app(
    body: bytes, operation: Operation
) -> None:
    error = explain_vast(attempt(operation), 404, body)
    assert (error.status, error.code, error.retry) == (502, "operation_not_served", False)
    assert error.message.startswith(f"Vast's endpoint 'embedder' does not serve {operation} (")


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ({"model": "gpt-4o"}, "The route for the model 'gpt-*' in the configuration"),
        ({"model": "m"}, "vast.endpoint in the configuration, or VAST_ENDPOINT,"),
        ({"model": "gpt-4o", "endpoint": "embedder"}, "The path of the app's URL"),
    ],
)
@pytest.mark.parametrize("interface", [UpstreamKind.SERVERLESS, UpstreamKind.OPENAI])
def test_the_line_is_named_that_leads_a_chat_to_where_there_is_none(
    how: dict[str, Any], line: str, interface: UpstreamKind
) -> None:
    message = explain_vast(attempt(**how, interface=interface), 404, UNKNOWN).message
    assert f"{line} leads there" in message
    assert ("OPENAI_ROUTES" in message) == (interface is UpstreamKind.SERVERLESS)
    assert ("have an endpoint of that name?" in message) == (interface is UpstreamKind.OPENAI)


def test_a_model_that_is_not_known_stays_vllms_own_error() -> None:
    said = b'{"error":{"message":"The model does not exist.","param":"model","code":404}}'
    error = explain_vast(attempt(), 404, said)
    assert (error.status, error.code) == (404, "not_found")
    assert (error.message, error.param) == ("The model does not exist.", "model")
