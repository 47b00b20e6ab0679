"""What is made of the answers of Vast's console and router."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vast_intercept.config import Config, load_config
from vast_intercept.diagnosis.findings import Problem
from vast_intercept.diagnosis.reach import Reach
from vast_intercept.diagnosis.vast_account import VastAccount, describe, ready
from vast_intercept.secret import Secret
from vast_intercept.vast_api.console import ListedEndpoint

from .. import harness
from ..harness import VAST_KEY, Certificates, StandIn
from .conftest import sections_for

MINE = ListedEndpoint(1, "my-endpoint", None)


@pytest.fixture
def config(standin: StandIn, certs: Certificates, tmp_path: Path) -> Config:
    path = harness.write_config(tmp_path / "vast.yaml", **sections_for(standin, certs.ca))
    return load_config(path, {"VAST_API_KEY": VAST_KEY})


@pytest.fixture
def account(config: Config) -> VastAccount:
    return VastAccount(config, Secret(VAST_KEY), Reach(config, None))


def test_it_has_endpoints(account: VastAccount) -> None:
    found = account.endpoints()
    assert {name: each.id for name, each in found.items()} == {"my-endpoint": 1, "big-one": 2}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 403}, r"refuses the key \*\*\*wxyz \(status 403\)"),
        ({"status": 302, "headers": {"location": "/"}}, "status 302"),
        ({"body": "<html>"}, "cannot be read"),
        ({"body": '{"results": 7}'}, "cannot be read"),
        ({"body": '{"results": ' + "[" * 100_000}, "cannot be read"),
        ({"fault": "drop"}, "does not answer in HTTP as it should"),
    ],
)
def test_its_endpoints_cannot_be_had(
    account: VastAccount, standin: StandIn, answer: dict[str, Any], told: str
) -> None:
    standin.override("endptjobs", **answer)
    with pytest.raises(Problem, match=told):
        account.endpoints()


def test_answers_are_bounded(config: Config, standin: StandIn) -> None:
    reach = Reach(config, None)
    url = f"{config.console_url}/api/v0/endptjobs/"
    with pytest.raises(Problem, match="more than 20 bytes"):
        reach.ask("GET", url, Secret(VAST_KEY), 20)


@pytest.mark.parametrize(
    ("answer", "states"),
    [
        ("[]", ""),
        ('[{"status": "IDLE"}, {"id": 1, "status": "idle"}]', "2 idle"),
        ('[{"status": "MODEL_LOADING"}, {"id": 7}]', "1 model_loading, 1 unknown"),
        ('{"workers": [{"status": "idle"}]}', "1 idle"),
    ],
)
def test_workers_have_states(
    account: VastAccount, standin: StandIn, answer: str, states: str
) -> None:
    standin.override("workers", body=answer)
    assert describe(account.worker_states(MINE)) == states


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"body": '{"error_msg": "not yours"}'}, "says: not yours"),
        ({"body": "{}"}, "says: no list"),
        ({"body": "<html>"}, "cannot be read"),
        ({"status": 404}, "status 404"),
        ({"fault": "drop"}, "does not answer in HTTP as it should"),
    ],
)
def test_workers_states_cannot_be_had(
    account: VastAccount, standin: StandIn, answer: dict[str, Any], told: str
) -> None:
    standin.override("workers", **answer)
    with pytest.raises(Problem, match=told):
        account.worker_states(MINE)


def test_an_endpoint_that_is_not_theirs_has_no_states(account: VastAccount) -> None:
    with pytest.raises(Problem, match="do not match"):
        account.worker_states(ListedEndpoint(99, "other", None))


def test_states_are_counted() -> None:
    states = Counter({f"state-{number}": 1 for number in range(20)} | {"idle": 3, "running": 1})
    assert ready(states) == 4
    assert describe(states).startswith("3 idle, ")
    assert describe(states).endswith(", ...")
