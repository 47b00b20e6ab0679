"""The endpoints' own keys: found, remembered, refreshed, and never shown."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from tests.fixtures.prepared import prepared
from vast_intercept.config import load_config
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.relay.failures import AttemptFailed
from vast_intercept.relay.http_client import HttpClient, UpstreamProxy
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.upstreams.serverless.keys import EndpointKeys

from .console import Console, running_console

ACCOUNT_KEY = "vast-0123456789abcdef"
LIST = "/api/v0/endptjobs/"
DAY = 24 * 3600


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    async with running_console() as console:
        yield console


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def keys(clock: Clock) -> AsyncIterator[EndpointKeys]:
    client = HttpClient(UpstreamProxy())
    keys = EndpointKeys(client, clock)
    yield keys
    await keys.close()
    await client.close()


def has(console: Console, **endpoints: str) -> None:
    """Has the console list these endpoints and their keys."""
    results = [
        {"id": number, "endpoint_name": name, "api_key": key, "min_load": 1.5}
        for number, (name, key) in enumerate(endpoints.items())
    ]
    console.answers[LIST] = 200, json.dumps({"success": True, "results": results}).encode()


def call_to(console: Console, key: str = ACCOUNT_KEY, configured: str = "three") -> Progress:
    config = load_config(None, {"VAST_API_KEY": key, "VAST_ENDPOINT": configured})
    return Progress(prepared(config=replace(config, console_url=console.url)))


async def key_of(keys: EndpointKeys, console: Console, endpoint: str = "one") -> str:
    return (await keys.key_of(call_to(console), endpoint)).reveal()


async def test_an_endpoint_is_looked_up_once_with_the_account_s_key(
    keys: EndpointKeys, console: Console
) -> None:
    has(console, one="key-1", two="key-2")
    assert await key_of(keys, console) == "key-1"
    assert await key_of(keys, console, "two") == "key-2"
    assert console.requests == [("GET", f"{LIST}?client_id=me")]
    assert console.keys == [f"Bearer {ACCOUNT_KEY}"]


async def test_calls_that_come_together_share_one_look_up(
    keys: EndpointKeys, console: Console
) -> None:
    has(console, one="key-1")
    found = await asyncio.gather(*[key_of(keys, console) for _ in range(50)])
    assert found == ["key-1"] * 50
    assert len(console.requests) == 1


async def test_an_app_that_leaves_does_not_end_the_look_up_of_others(
    keys: EndpointKeys, console: Console
) -> None:
    has(console, one="key-1")
    leaving = asyncio.ensure_future(key_of(keys, console))
    staying = asyncio.ensure_future(key_of(keys, console))
    await asyncio.sleep(0)  # both have asked
    leaving.cancel()
    assert await staying == "key-1"
    assert len(console.requests) == 1


async def test_after_three_days_the_list_is_fetched_again_beside_the_calls(
    keys: EndpointKeys, console: Console, clock: Clock
) -> None:
    has(console, one="old")
    await key_of(keys, console)
    has(console, one="new")
    clock.now += 3 * DAY - 1
    assert await key_of(keys, console) == "old"
    assert len(console.requests) == 1
    clock.now += 2
    assert await key_of(keys, console) == "old"
    fetching = keys._account.fetching
    assert fetching
    await fetching
    assert await key_of(keys, console) == "new"
    assert len(console.requests) == 2


async def test_a_refresh_that_fails_is_not_tried_by_every_call(
    keys: EndpointKeys, console: Console, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    has(console, one="old")
    await key_of(keys, console)
    console.answers[LIST] = 503, b""
    clock.now += 4 * DAY
    for _ in range(20):
        assert await key_of(keys, console) == "old"
        if fetching := keys._account.fetching:
            await asyncio.wait([fetching])
            await asyncio.sleep(0)  # its end is noted
    assert len(console.requests) == 2
    assert "could not be looked up" in caplog.text
    clock.now += 61
    await key_of(keys, console)
    assert keys._account.fetching


async def test_after_six_days_calls_wait_for_it(
    keys: EndpointKeys, console: Console, clock: Clock
) -> None:
    has(console, one="old")
    await key_of(keys, console)
    has(console, one="new")
    clock.now += 6 * DAY + 1
    assert await key_of(keys, console) == "new"


async def test_a_refused_key_is_looked_up_at_once(keys: EndpointKeys, console: Console) -> None:
    has(console, one="old")
    call = call_to(console)
    old = await keys.key_of(call, "one")
    has(console, one="new")
    assert await keys.renew(call, "one", old, "router")
    assert (await keys.key_of(call, "one")).reveal() == "new"
    # Another call had the old one, too, and comes later.
    assert await keys.renew(call, "one", old, "router")
    assert len(console.requests) == 2


async def test_a_key_that_stays_refused_is_not_looked_up_by_every_call(
    keys: EndpointKeys, console: Console, clock: Clock
) -> None:
    has(console, one="bad")
    call = call_to(console)
    key = await keys.key_of(call, "one")
    for _ in range(10):
        assert not await keys.renew(call, "one", key, "router")
    assert len(console.requests) == 2
    # What a worker says is another matter: one may just not know the signature's key yet.
    assert not await keys.renew(call, "one", key, "worker")
    assert len(console.requests) == 3
    clock.now += 11
    assert not await keys.renew(call, "one", key, "router")
    assert len(console.requests) == 4


async def test_an_unknown_endpoint_is_an_error_that_names_the_known_ones(
    keys: EndpointKeys, console: Console, clock: Clock
) -> None:
    has(console, one="key-1", two="key-2")
    for _ in range(5):
        with pytest.raises(ApiError) as unknown:
            await key_of(keys, console, "three")
    assert unknown.value.code == "vast_endpoint_unknown"
    assert "'three'" in unknown.value.message
    assert "'one', 'two'" in unknown.value.message
    assert len(console.requests) == 1
    has(console, three="key-3")
    clock.now += 11
    assert await key_of(keys, console, "three") == "key-3"


async def test_an_app_that_names_an_endpoint_is_not_told_of_the_others(
    keys: EndpointKeys, console: Console
) -> None:
    has(console, one="key-1", two="key-2")
    for _ in range(2):
        with pytest.raises(ApiError) as unknown:
            await key_of(keys, console, "of-the-app")
        assert (unknown.value.status, unknown.value.code) == (404, "vast_endpoint_unknown")
        assert "'of-the-app'" in unknown.value.message
        assert "one" not in unknown.value.message
        assert "two" not in unknown.value.message


@pytest.mark.parametrize("names", [0, 1, 25])
async def test_the_error_s_list_of_names_is_short(
    keys: EndpointKeys, console: Console, names: int
) -> None:
    has(console, **{f"e{number:02}": "key" for number in range(names)})
    with pytest.raises(ApiError) as unknown:
        await key_of(keys, console, "three")
    assert unknown.value.message.count("'e") == min(names, 20)
    assert ("and 5 more" in unknown.value.message) == (names == 25)


async def test_another_account_has_other_keys(keys: EndpointKeys, console: Console) -> None:
    has(console, one="key-1")
    await key_of(keys, console)
    has(console, one="of-the-other")
    other = await keys.key_of(call_to(console, "vast-another-account-0123"), "one")
    assert other.reveal() == "of-the-other"


async def test_a_refused_account_key_is_an_error_that_a_retry_cannot_mend(
    keys: EndpointKeys, console: Console
) -> None:
    console.answers[LIST] = 401, b'{"error": "bad key"}'
    with pytest.raises(ApiError) as refused:
        await key_of(keys, console)
    assert (refused.value.code, refused.value.retry) == ("vast_key_refused", False)
    assert ACCOUNT_KEY not in refused.value.message


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"results": 7}'),
        (200, b'{"results": [{"endpoint_name": 7}]}'),
        (200, b"\xff"),
        (200, b"[" * 100_000),
        (200, b'{"results": [' + b" " * (17 * 1024 * 1024)),
        (204, b""),
        (302, b""),
        (404, b""),
        (503, b"later"),
    ],
)
async def test_a_list_that_cannot_be_read_is_worth_another_attempt(
    keys: EndpointKeys, console: Console, answer: tuple[int, bytes]
) -> None:
    console.answers[LIST] = answer
    with pytest.raises(AttemptFailed) as failed:
        await key_of(keys, console)
    assert failed.value.error.status == 502
    has(console, one="key-1")
    assert await key_of(keys, console) == "key-1"


async def test_entries_without_a_usable_key_are_as_if_they_were_not_there(
    keys: EndpointKeys, console: Console
) -> None:
    results = [
        {"endpoint_name": "one", "api_key": None},
        {"endpoint_name": None, "api_key": "key"},
        {"endpoint_name": "three", "api_key": "a\r\nb: c"},
        {"endpoint_name": "four", "api_key": "key-4"},
    ]
    console.answers[LIST] = 200, json.dumps({"results": results}).encode()
    assert await key_of(keys, console, "four") == "key-4"
    with pytest.raises(ApiError, match="It has 'four'"):
        await key_of(keys, console, "three")
