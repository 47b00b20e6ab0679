"""What becomes of a call, as one value: how it ended, how long it took, how many tokens it had."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.prepared import prepared
from vast_intercept.config import EndpointId, UpstreamKind
from vast_intercept.openai_api.amounts import Amounts
from vast_intercept.openai_api.errors import bad_gateway, bad_request, misconfigured
from vast_intercept.openai_api.usage import Usage
from vast_intercept.relay.progress import Progress
from vast_intercept.telemetry import report as report_module
from vast_intercept.telemetry.report import AMOUNTS, CallReport, Ending, report_of

NOW = 1_000.0
UNIX_NOW = 1_700_000_000.0

REFUSED = bad_request("Not served here.", "unsupported_endpoint", status=404)
FAILED = bad_gateway("Vast did not answer.", "vast_unreachable")


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "time", SimpleNamespace(time=lambda: UNIX_NOW))


CALL = prepared()


def report(*, left: bool = False, status: int | None = 200, **progress: Any) -> CallReport:
    """The report of a call that ends now, and has come so far."""
    made = Progress(CALL, lambda: NOW, **progress)
    return report_of(made, status, left=left)


# --- how it ended --------------------------------------------------------------------------------

BEGAN = {
    "received_at": 990.0,
    "sent_at": 991.0,
    "first_byte_at": 992.0,
    "last_byte_at": 999.0,
}

ENDINGS: dict[str, tuple[dict[str, Any], bool, Ending]] = {
    "all well": ({"attempts": 1, "answered": True}, False, Ending.OK),
    "answered here": ({"answered": True}, False, Ending.OK),
    "the app left before": ({"attempts": 1}, True, Ending.CANCELLED),
    "the app left at once": ({}, True, Ending.CANCELLED),
    "the app left mid-stream": (
        {"attempts": 1, "streamed": True, **BEGAN},
        True,
        Ending.CANCELLED,
    ),
    "refused by its path": ({"error": REFUSED}, False, Ending.REFUSED),
    "refused and left": ({"error": REFUSED}, True, Ending.REFUSED),
    "no key for Vast": ({"error": misconfigured("x", "vast_key_missing")}, False, Ending.FAILED),
    "circuit open": (
        {"error": bad_gateway("x", "vast_endpoint_down", 503)},
        False,
        Ending.FAILED,
    ),
    "no answer": ({"error": FAILED, "attempts": 3}, False, Ending.FAILED),
    "only comments": (
        {"error": FAILED, "attempts": 1, "streamed": True, "received_at": 1.0},
        False,
        Ending.FAILED,
    ),
    "a whole answer that was cut": (
        {"error": FAILED, "attempts": 1, **BEGAN},
        False,
        Ending.FAILED,
    ),
    "a stream that was cut": (
        {"error": FAILED, "attempts": 1, "streamed": True, **BEGAN},
        False,
        Ending.BROKEN_OFF,
    ),
}


@pytest.mark.parametrize(("outcome", "left", "expected"), ENDINGS.values(), ids=ENDINGS.keys())
def test_ending(outcome: dict[str, Any], left: bool, expected: Ending) -> None:
    assert report(left=left, **outcome).outcome is expected


def test_a_call_that_mitmproxy_passes_on_has_a_report_of_the_same_kind() -> None:
    progress = Progress(replace(CALL, work=None), lambda: NOW)
    progress.receive(held=False)
    progress.turn_to(EndpointId(UpstreamKind.PROVIDER, "openai"))
    made = report_of(progress, 200, left=False)
    assert (made.outcome, made.endpoint, made.status) == (Ending.PASSED_ON, "openai", 200)
    assert (made.attempts, made.duration, made.error) == (0, 0.0, None)


def test_the_path_of_a_call_tells_what_the_interceptor_answered_itself() -> None:
    progress = Progress(CALL, lambda: NOW)
    progress.answered = True
    here = report_of(progress, 200, left=False, path="/v1/messages/count_tokens")
    assert here.path == "/v1/messages/count_tokens"
    progress.turn_to(EndpointId(UpstreamKind.OPENAI, "my-endpoint"))
    assert report_of(progress, 200, left=False, path="/v1/messages").path is None


@pytest.mark.parametrize("ending", Ending)
def test_trouble_is_what_the_app_has_not_made(ending: Ending) -> None:
    made = CallReport(request_id="r", time=0.0, outcome=ending)
    assert made.is_error == (ending in {"failed", "broken_off"})


# --- what is taken over --------------------------------------------------------------------------


def test_facts_of_the_call() -> None:
    made = report(
        model="m",
        endpoint=EndpointId(UpstreamKind.SERVERLESS, "e"),
        response_model="served",
        stream=True,
        attempts=2,
        retried=["e"],
        fell_back_to=["other"],
        left_out=("suffix",),
        waits={"other": 1.0, "my-endpoint": 2.0},
        prompt="Hello",
        error=bad_request("Bad.", "invalid_type", "messages[0]"),
    )
    expected = {
        "request_id": "req_1",
        "time": UNIX_NOW,
        "operation": "chat/completions",
        "client": "127.0.0.1",
        "model": "m",
        "endpoint": "e",
        "upstream": UpstreamKind.SERVERLESS,
        "response_model": "served",
        "stream": True,
        "status": 200,
        "error": "invalid_type",
        "error_param": "messages[0]",
        "error_message": "Bad.",
        "attempts": 2,
        "retried": ("e",),
        "fell_back_to": ("other",),
        "left_out": ("suffix",),
        "waited": 3.0,
        "prompt": "Hello",
    }
    assert {name: getattr(made, name) for name in expected} == expected


def test_names_are_bounded() -> None:
    """They may be as long as a body, and reports are kept."""
    error = replace(FAILED, code="c" * 10_000, message="m" * 10_000, param="p" * 10_000)
    long = report(
        model="x" * 10_000,
        endpoint=EndpointId(UpstreamKind.OPENAI, "e" * 10_000),
        response_model="y" * 10_000,
        error=error,
    )
    for text in (long.model, long.endpoint, long.response_model, long.error, long.error_param):
        assert text is not None
        assert len(text) == 200
    assert long.error_message == "m" * 1_000


@pytest.mark.parametrize(
    ("name", "address", "expected"),
    [
        ("billing", ("10.0.0.1", 1), "billing"),
        (None, ("10.0.0.1", 1), "10.0.0.1"),
        (None, ("::1", 1, 0, 0), "::1"),
        (None, None, None),
        (None, (), None),
    ],
    ids=["name", "ipv4", "ipv6", "nobody", "empty"],
)
def test_client(name: str | None, address: tuple[str | int, ...] | None, expected: str) -> None:
    call = replace(CALL, client_name=name, client=address)
    assert report_of(Progress(call), None, left=True).client == expected


# --- timings -------------------------------------------------------------------------------------


def test_nothing_is_known_of_what_did_not_happen() -> None:
    made = report(status=None, left=True)
    for name in (
        *("status", "time_to_first_token", "duration", "generating", "longest_gap"),
        *("added_latency", "tokens", "tokens_per_second", "time_per_output_token"),
    ):
        assert getattr(made, name) is None, name


def test_timings_of_a_stream() -> None:
    made = report(
        received_at=980.0,
        sent_at=981.0,
        first_byte_at=990.0,
        last_byte_at=999.0,
        passed_on_at=990.5,
        longest_gap=2.0,
        streamed=True,
        attempts=1,
        usage=Usage(5, 10),
    )
    assert made.time_to_first_token == 10
    assert made.duration == 20
    assert made.generating == 9
    assert made.longest_gap == 2
    assert made.added_latency == pytest.approx(1.5)
    assert made.time_per_output_token == pytest.approx(1.0)
    assert made.tokens_per_second == pytest.approx(1.0)


def test_timings_of_a_whole_answer() -> None:
    made = report(
        received_at=980.0,
        sent_at=981.0,
        first_byte_at=990.0,
        last_byte_at=991.0,
        passed_on_at=991.5,
        attempts=1,
        usage=Usage(5, 20),
    )
    assert (made.duration, made.time_to_first_token, made.generating) == (20, None, None)
    assert made.longest_gap is None
    assert made.added_latency == pytest.approx(1.5)
    assert made.tokens_per_second == pytest.approx(2.0)
    assert made.time_per_output_token is None


NOT_COMPARABLE: dict[str, dict[str, Any]] = {
    "tried again": {"attempts": 2},
    "answered here": {"attempts": 0},
    "waited": {"attempts": 1, "waits": {"e": 0.1}},
    "failed": {"attempts": 1, "error": FAILED},
    "held by a person": {"attempts": 1, "held": True},
    "never passed on": {"attempts": 1, "passed_on_at": None},
}


@pytest.mark.parametrize("outcome", NOT_COMPARABLE.values(), ids=NOT_COMPARABLE.keys())
def test_added_latency_is_left_out_where_it_says_nothing(outcome: dict[str, Any]) -> None:
    made = report(**{"streamed": True, "passed_on_at": 999.5, **BEGAN, **outcome})
    assert made.added_latency is None


# --- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "events", "expected"),
    [
        (Usage(3, 4), 0, (3, 4, 4)),
        (Usage(3, 4), 100, (3, 4, 4)),
        (Usage(3, 0), 100, (3, 0, 0)),
        (None, 13, (None, None, 10)),
        (None, 4, (None, None, 1)),
        (None, 3, (None, None, None)),
        (None, 0, (None, None, None)),
    ],
    ids=["said", "said and counted", "none", "counted", "one", "only the frame", "nothing"],
)
def test_tokens_are_as_said_else_as_counted(
    usage: Usage | None, events: int, expected: tuple[int | None, ...]
) -> None:
    made = report(**BEGAN, events=events, streamed=True, usage=usage)
    assert (made.prompt_tokens, made.completion_tokens, made.tokens) == expected


@pytest.mark.parametrize(
    ("tokens", "last_byte"),
    [(1, 999.0), (0, 999.0), (10, 992.0), (10, 992.0005), (10, None)],
    ids=["one token", "no token", "all at once", "nearly at once", "never ended"],
)
def test_no_rate_where_there_is_none(tokens: int, last_byte: float | None) -> None:
    made = report(**BEGAN | {"last_byte_at": last_byte}, streamed=True, usage=Usage(1, tokens))
    assert made.tokens_per_second is made.time_per_output_token is None


moments = st.none() | st.floats(0, NOW)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    progress=st.fixed_dictionaries(
        {
            "received_at": moments,
            "sent_at": moments,
            "first_byte_at": moments,
            "last_byte_at": moments,
            "passed_on_at": moments,
            "events": st.integers(0, 10_000),
            "usage": st.none() | st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**9)),
            "attempts": st.integers(0, 5),
            "streamed": st.booleans(),
            "error": st.sampled_from([None, REFUSED, FAILED]),
        }
    ),
    left=st.booleans(),
)
def test_any_moments_make_a_report(progress: dict[str, Any], left: bool) -> None:
    made = report(left=left, **progress)
    assert made.outcome in Ending
    if made.tokens_per_second is not None and made.time_per_output_token is not None:
        assert made.tokens_per_second * made.time_per_output_token == pytest.approx(1)


# --- what is not counted in tokens ---------------------------------------------------------------


def test_what_a_call_holds_besides_tokens_is_in_its_report() -> None:
    held = Amounts(texts=2, characters=30, audio_seconds=1.5, images=3, bytes=400)
    made = report(attempts=1, answered=True, amounts=held)
    assert [getattr(made, name) for name in AMOUNTS] == [2, 30, 1.5, 3, 400]
    nothing = report(attempts=1, answered=True)
    assert [getattr(nothing, name) for name in AMOUNTS] == [None] * 5
