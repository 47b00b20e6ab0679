"""What workers cost, from a real console over HTTP: the stand-in's."""

import json
from pathlib import Path
from typing import Any

import pytest

from vast_intercept.config import Config, load_config
from vast_intercept.rehearsal.prices import PriceError
from vast_intercept.rehearsal.worker_prices import read_per_hour, worker_prices

from .. import harness
from ..diagnosis.conftest import sections_for
from ..harness import VAST_KEY, Certificates, StandIn

KEY = {"VAST_API_KEY": VAST_KEY}


@pytest.fixture
def config(standin: StandIn, certs: Certificates, tmp_path: Path) -> Config:
    path = harness.write_config(tmp_path / "vast.yaml", **sections_for(standin, certs.ca))
    return load_config(path, KEY)


def test_the_console_says_what_the_ready_workers_cost_together(
    config: Config, standin: StandIn
) -> None:
    states = [
        {"id": 1, "status": "idle"},
        {"id": 2, "status": "stopped"},
        {"id": 1, "status": "IDLE"},
    ]
    standin.override("workers", body=json.dumps(states))
    (price,) = worker_prices(config, ["my-endpoint"], {})
    assert price.per_hour == pytest.approx(0.72)
    assert price.why == (
        "2 workers of my-endpoint ready, for $0.72 an hour in all, says Vast's console (dph_total)."
    )


def test_each_endpoint_has_its_own_price(config: Config) -> None:
    mine, big, none = worker_prices(config, ["my-endpoint", "big-one", "not-there"], {})
    assert mine.per_hour
    assert big.per_hour
    assert none.per_hour is None
    assert none.why == (
        "What the workers of not-there cost is not known: the account does not list it."
    )
    assert worker_prices(config, [], {}) == []


@pytest.mark.parametrize(
    ("page", "answer", "said"),
    [
        ("endptjobs", {"status": 401}, "Vast refuses the key ***wxyz (status 401)."),
        ("endptjobs", {"body": "<html>"}, "cannot be read"),
        ("endptjobs", {"fault": "drop"}, "does not answer in HTTP"),
        ("workers", {"body": "[]"}, "none of its workers is ready."),
        ("workers", {"body": '[{"status": "stopped", "id": 1}]'}, "none of its workers is ready."),
        ("workers", {"body": '[{"status": "idle"}]'}, "does not show all of its 1 workers."),
        ("workers", {"body": '[{"status": "idle", "id": "../7"}]'}, "does not show all"),
        ("workers", {"body": '[{"status": "idle", "id": 99}]'}, "worker 99"),
        ("workers", {"body": json.dumps([{"status": "idle", "id": 1}] * 65)}, "65 workers"),
        ("workers", {"status": 500}, "answers with status 500."),
        ("instance", {"status": 403}, "the price of worker 1 cannot be read: status 403."),
        ("instance", {"body": '{"instances": {}}'}, "no usable dph_total."),
        ("instance", {"fault": "drop"}, "does not answer in HTTP"),
    ],
)
def test_a_price_that_cannot_be_had_is_unknown_with_the_reason(
    config: Config, standin: StandIn, page: str, answer: dict[str, Any], said: str
) -> None:
    standin.override(page, **answer)
    (price,) = worker_prices(config, ["my-endpoint"], {})
    assert price.per_hour is None
    assert price.why.startswith("What the workers of my-endpoint cost is not known: ")
    assert said in price.why


def test_what_cannot_be_asked_at_all_is_unknown_too(config: Config, tmp_path: Path) -> None:
    (proxied,) = worker_prices(config, ["my-endpoint"], {"https_proxy": "socks5://x:1"})
    assert "SOCKS" in proxied.why
    keyless = load_config(harness.write_config(tmp_path / "none.yaml", vast={"endpoint": "a"}), {})
    (price,) = worker_prices(keyless, ["a"], {})
    assert price.why == "What the workers of a cost is not known: there is no Vast key."


def test_a_price_that_is_given_asks_nobody() -> None:
    (price,) = worker_prices(Config(), ["a", "b"], {}, 2.4)
    assert price.per_hour == 2.4
    assert price.why == "All workers together cost $2.40 an hour, says --per-hour."


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf", "1e9", "1,5", "$2"])
def test_a_price_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(PriceError, match=r"--per-hour: .* such as 2\.40"):
        read_per_hour(text)
