"""What the calls of a report cost, with the workers' price of the time when they were made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vast_intercept.config import Config, UpstreamKind, load_config
from vast_intercept.rehearsal import bill as billing
from vast_intercept.rehearsal.bill import Bill
from vast_intercept.rehearsal.calls import RecordedCall, RehearsedCall
from vast_intercept.rehearsal.comparison.measures import Check, Comparison, Measure
from vast_intercept.rehearsal.prices import read_prices
from vast_intercept.rehearsal.replaying.results import CallKey, Results
from vast_intercept.rehearsal.replies.reply import Reply, Wish
from vast_intercept.rehearsal.report.report import Entry, RehearsedRun
from vast_intercept.telemetry.report import CallReport, Ending

from .. import harness
from ..diagnosis.conftest import sections_for
from ..harness import ENDPOINT, VAST_KEY, Certificates, StandIn


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    """Two calls, which have taken 10 s."""
    with Results(tmp_path / "calls.rehearsal", "settings") as results:
        results.begin(4)
        for number in range(2):
            key = CallKey(f"{number}", 0, 0)
            results.keep(key, RehearsedCall(answer=None, report=told(ENDPOINT)))
        results._database.execute("update spans set began = ended - 10")
        yield results


@pytest.fixture
def config(standin: StandIn, certs: Certificates, tmp_path: Path) -> Config:
    path = harness.write_config(tmp_path / "vast.yaml", **sections_for(standin, certs.ca))
    return load_config(path, {"VAST_API_KEY": VAST_KEY})


def told(endpoint: str | None, upstream: UpstreamKind = UpstreamKind.OPENAI) -> CallReport:
    return CallReport(
        request_id="r", time=0.0, outcome=Ending.OK, endpoint=endpoint, upstream=upstream
    )


def entry(*reports: CallReport, served: bool = True) -> Entry:
    comparison = Comparison(checks={Measure.SERVED: Check(holds=served)})
    return Entry(
        call=RecordedCall(place="1", method="POST", url="https://api.openai.com/v1/embeddings"),
        wish=Wish(operation=None, model="text-embedding-3-small"),
        provider=Reply(prompt_tokens=1_000_000),
        runs=[
            RehearsedRun(
                rehearsed=RehearsedCall(answer=None, report=report),
                reply=Reply(),
                comparison=comparison,
            )
            for report in reports
        ],
    )


def billed(*entries: Entry, per_hour: float | None = None) -> Bill:
    bill = Bill(read_prices(), per_hour)
    for each in entries:
        bill.add(each)
    return bill


def test_both_sides_are_counted_once_a_call(config: Config, results: Results) -> None:
    bill = billed(entry(told(ENDPOINT)), entry(told(ENDPOINT), served=False))
    costs = bill.costs(config, results, 1, {})
    assert costs.provider.dollars == pytest.approx(2 * 0.02)
    assert costs.vast.dollars == pytest.approx(0.36 * 10 / 3600)
    assert any(said.startswith("1 of 2 calls were not served") for said in costs.vast.assumptions)


def test_endpoints_are_those_of_vast_that_calls_went_to_most_calls_first() -> None:
    bill = billed(
        entry(told("a"), told("b")),
        entry(told("b")),
        entry(told(None)),
        entry(told("openai", UpstreamKind.PROVIDER)),
    )
    assert bill.endpoints == ("b", "a")


def test_the_price_is_that_of_the_time_when_the_calls_were_made(
    config: Config, results: Results, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill = billed(entry(told(ENDPOINT)), entry(told(ENDPOINT)))
    first = bill.costs(config, results, 1, {}).vast

    # The workers are gone by now. Nobody is asked, and the day is said.
    asked: list[object] = []
    ask = billing.worker_prices
    monkeypatch.setattr(
        billing, "worker_prices", lambda *given: asked.append(given[1]) or ask(*given)
    )
    standin.override("workers", body="[]")
    again = bill.costs(config, results, 1, {}).vast
    assert again.dollars == first.dollars
    assert asked == [[]]
    assert "says Vast's console (dph_total), on 20" in again.assumptions[0]

    # More calls are made, and the price is asked for again; the last one stands in if need be.
    results.keep(CallKey("2", 0, 0), RehearsedCall(answer=None, report=told(ENDPOINT)))
    results._database.execute("update spans set ended = ended + 1000, began = began + 1000")
    third = bill.costs(config, results, 1, {}).vast
    assert asked[-1] == [ENDPOINT]
    assert third.assumptions[0] == again.assumptions[0]


def test_a_price_that_was_given_is_not_kept(config: Config, results: Results) -> None:
    calls = (entry(told(ENDPOINT)), entry(told(ENDPOINT)))
    given = billed(*calls, per_hour=36.0).costs(config, results, 1, {}).vast
    assert given.dollars == pytest.approx(0.1)
    assert billed(*calls).costs(config, results, 1, {}).vast.dollars == pytest.approx(0.001)


def test_a_price_that_is_not_known_is_not_kept(
    config: Config, results: Results, standin: StandIn
) -> None:
    bill = billed(entry(told(ENDPOINT)))
    standin.override("workers", body="[]")
    assert bill.costs(config, results, 1, {}).vast.dollars is None
    assert bill.costs(config, results, 1, {}).vast.dollars is not None
