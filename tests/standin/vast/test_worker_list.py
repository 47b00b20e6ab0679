"""The list of an endpoint's workers, as Vast's SDK and its command line ask for it."""

import json
from typing import Any

import pytest

from ..conftest import CONFIG, Vast


async def listed(vast: Vast, asked: dict[str, Any], authorization: str = "") -> Any:
    _, data = await vast.post(asked, "/get_endpoint_workers/", authorization=authorization)
    return json.loads(data)


async def test_the_key_is_in_the_body_or_in_the_header(vast: Vast) -> None:
    by_body = await listed(vast, {"id": 1, "api_key": CONFIG.api_key})
    by_header = await listed(vast, {"id": 1}, f"Bearer {CONFIG.api_key}")
    assert by_body == by_header
    (worker,) = by_body
    assert (worker["id"], worker["status"]) == (1, "idle")
    # What the SDK reads of a worker (vastai 1.9.1, serverless/client/worker.py).
    assert set(worker) == {
        "id",
        "status",
        "cur_load",
        "new_load",
        "cur_load_rolling_avg",
        "cur_perf",
        "perf",
        "measured_perf",
        "dlperf",
        "reliability",
        "reqs_working",
        "disk_usage",
        "loaded_at",
        "started_at",
    }


@pytest.mark.parametrize(
    ("asked", "authorization"),
    [
        ({"id": 1}, ""),
        ({"id": 1, "api_key": "wrong"}, "Bearer wrong"),
        ({"id": 1}, f"Basic {CONFIG.api_key}"),
        ({"id": 99, "api_key": CONFIG.api_key}, ""),
    ],
)
async def test_it_refuses(vast: Vast, asked: dict[str, Any], authorization: str) -> None:
    assert set(await listed(vast, asked, authorization)) == {"error_msg"}


async def test_it_refuses_what_it_cannot_read(vast: Vast) -> None:
    response, _ = await vast.post({"id": "one"}, "/get_endpoint_workers/")
    assert response.status == 400


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"state": "cold"}, "stopped"),
        ({"state": "cold", "ready_after": 60}, "loading"),
        ({"state": "dead"}, "unavail"),
        ({"state": "ready", "listed": False}, "stopped"),
        # How it answers, nobody knows before it does.
        ({"state": "refusing"}, "idle"),
    ],
)
async def test_it_tells_the_states(vast: Vast, state: dict[str, Any], status: str) -> None:
    await vast.control("PUT", "workers/1", **state)
    asked = {"id": 2, "api_key": CONFIG.api_key}
    assert [each["status"] for each in await listed(vast, asked)] == [status]
    assert [each["status"] for each in await listed(vast, {**asked, "id": 1})] == ["idle"]


async def test_one_that_has_become_ready_is_idle(vast: Vast) -> None:
    await vast.control("PUT", "workers/0", state="cold", ready_after=0.01)
    await vast.until("ready", "ready")
    (worker,) = await listed(vast, {"id": 1, "api_key": CONFIG.api_key})
    assert worker["status"] == "idle"


async def test_real_workers_are_listed(vast: Vast) -> None:
    report = {"id": 7, "mtoken": "demo", "max_perf": 1.0, "url": "https://localhost:1"}
    await vast.post(report, "/worker_status/")
    workers = await listed(vast, {"id": 1, "api_key": CONFIG.api_key})
    assert [(each["id"], each["status"]) for each in workers] == [(1, "idle"), (7, "idle")]


async def test_its_answer_can_be_replaced(vast: Vast) -> None:
    await vast.control("PUT", "overrides/workers", body="[]")
    assert await listed(vast, {"id": 1, "api_key": CONFIG.api_key}) == []
