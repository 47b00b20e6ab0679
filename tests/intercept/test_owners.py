"""Whose stored responses a call may see."""

import pytest
from mitmproxy.test import tflow

from vast_intercept.config import built_in_providers
from vast_intercept.intercept.owners import Owners
from vast_intercept.intercept.verdict import Asked, Origin
from vast_intercept.openai_api.operations import Operation
from vast_intercept.secret import sha256_of

OPENAI = built_in_providers()["openai"]
RESPONSES = Operation.RESPONSES


def asked(key: str | None, origin: Origin = Origin.LIVE) -> Asked:
    headers = ((b"authorization", f"Bearer {key}".encode()),) if key else ()
    place = "https", "api.openai.com", 443, "/v1/responses"
    return Asked(origin=origin, method="POST", place=place, headers=headers, provider=OPENAI)


def test_an_app_is_known_by_its_key() -> None:
    owners, key = Owners(), "sk-0123456789abcdefghij"
    owner = owners.owner_of(tflow.tflow(), asked(key), RESPONSES)
    assert owner == sha256_of(key)
    assert owners.owner_of(tflow.tflow(), asked(key), RESPONSES) == owner
    assert owners.owner_of(tflow.tflow(), asked(f"{key}x"), RESPONSES) != owner
    assert owners.owner_of(tflow.tflow(), asked(None), RESPONSES) == ""


def test_calls_that_store_nothing_have_no_owner() -> None:
    assert Owners().owner_of(tflow.tflow(), asked("sk-1"), Operation.CHAT_COMPLETIONS) == ""


@pytest.mark.parametrize("origin", [Origin.REPLAYED, Origin.REPLAYED_FOR_PROVIDER])
def test_a_replay_is_its_app_s(origin: Origin) -> None:
    """Its key is masked: were it taken for one, all replays would be one app's."""
    owners, flow = Owners(), tflow.tflow()
    owner = owners.owner_of(flow, asked("sk-1"), RESPONSES)
    masked = asked("***cdef", origin)
    assert owners.owner_of(flow, masked, RESPONSES) == owner
    # A copy of it, or one from a file, might say anything.
    assert owners.owner_of(flow.copy(), masked, RESPONSES) == ""
