"""Routes to the worker, for tests that call it themselves."""

import ssl
from pathlib import Path
from typing import Any

import httpx

from ...harness import ENDPOINT, VAST_KEY, StandIn
from ..pyworker import PyWorker


def routed(vast: StandIn) -> dict[str, Any]:
    """A route to the worker, as anyone gets it who has the account's key."""
    listed = vast._session.get(
        f"{vast.url}/api/v0/endptjobs/",
        params={"client_id": "me"},
        headers={"authorization": f"Bearer {VAST_KEY}"},
        timeout=30,
    )
    keys = {each["endpoint_name"]: each["api_key"] for each in listed.json()["results"]}
    key = keys[ENDPOINT]
    answer = vast._session.post(
        f"{vast.url}/route/",
        json={"endpoint": ENDPOINT, "api_key": key, "cost": 10.0, "request_idx": 0},
        headers={"authorization": f"Bearer {key}"},
        timeout=30,
    )
    route: dict[str, Any] = answer.json()
    assert route["url"]
    return route


def ask_worker(
    worker: PyWorker, path: str, auth_data: dict[str, Any], payload: dict[str, Any], root: Path
) -> httpx.Response:
    """What the worker itself answers. `root` is the root of its certificate."""
    body = {"auth_data": auth_data, "session_id": None, "payload": payload}
    trust = ssl.create_default_context(cafile=root)
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT  # FACTS V8
    return httpx.post(worker.url + path, json=body, verify=trust, trust_env=False, timeout=30)
