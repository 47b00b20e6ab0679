"""Dispatch: endpoint after endpoint, attempt after attempt, by a played clock and upstreams."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.fixtures.prepared import prepared
from vast_intercept.config import (
    Config,
    Endpoint,
    Machine,
    Route,
    UpstreamKind,
    load_config,
)
from vast_intercept.listed_operations.listed_call import Form
from vast_intercept.openai_api.errors import ApiError, bad_gateway, bad_request
from vast_intercept.openai_api.operations import Operation
from vast_intercept.openai_api.requests import read_request
from vast_intercept.relay.call import ProviderCall
from vast_intercept.relay.failures import AttemptFailed, EndpointFailed
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.retrying.circuit_breaker import CircuitState
from vast_intercept.relay.retrying.dispatch import Dispatcher
from vast_intercept.relay.retrying.retry import backoff
from vast_intercept.relay.upstreams.base import (
    Attempt,
    UpstreamAnswer,
    UpstreamRequest,
)
from vast_intercept.relay.work import ToProvider

from ..played import BODY, PlayedAnswer, PlayedUpstream

TOTAL = 100.0
REFUSED = AttemptFailed(bad_gateway("refused", "vast_unreachable"))
DROPPED = AttemptFailed(bad_gateway("dropped", "vast_disconnected"), at_once=True, lost=True)
STALE = AttemptFailed(bad_gateway("dropped", "vast_disconnected"), at_once=True)
NO_WORKER = EndpointFailed(bad_gateway("no worker", "vast_no_worker", 503))


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "__defaults__", (lambda: 1.0,))


def now() -> float:
    return asyncio.get_running_loop().time()


def config_of(*fallback: str) -> Config:
    config = load_config(None, {"VAST_API_KEY": "k" * 20, "VAST_ENDPOINT": "one"})
    route = Route(model="*", endpoint="one", fallback=list(fallback))
    box = Endpoint(name="box", machine=Machine(url="https://box"))
    return replace(config, routes=(route,) if fallback else (), known_endpoints={"box": box})


def request_for(config: Config, form: Form | None = None, **fields: Any) -> UpstreamRequest:
    """What is sent for a chat completion."""
    call = prepared(config=config, **fields)
    progress = Progress(call, clock=asyncio.get_running_loop().time, model="m")
    body = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
    wanted = read_request(Operation.CHAT_COMPLETIONS, body, None, lambda _: {})
    return UpstreamRequest(
        progress,
        Operation.CHAT_COMPLETIONS,
        wanted.pieces,
        cost=100,
        stream=wanted.stream,
        original=body,
        accept="application/json",
        form=form,
    )


class Bench:
    """A dispatcher with played upstreams.

    `one` and `two` are Vast's, `box` is a machine, `lab` is a provider.
    """

    def __init__(self, **steps: Any) -> None:
        self.vast = PlayedUpstream(**steps)
        self.machines = PlayedUpstream(**steps)
        self.provider = PlayedUpstream(lab=[PlayedAnswer()])
        self.dispatcher = Dispatcher(
            {
                UpstreamKind.OPENAI: self.vast,
                UpstreamKind.MACHINE: self.machines,
                UpstreamKind.PROVIDER: self.provider,
            }
        )
        self.calls = 0

    async def ask(
        self,
        *fallback: str,
        total: float = TOTAL,
        changed: Callable[[], None] = lambda: None,
        **fields: Any,
    ) -> Progress:
        """A call that was answered. Raises ApiError."""
        self.calls += 1
        fields = {"request_id": f"req-{self.calls}"} | fields
        request = request_for(config_of(*fallback), **fields)
        request.progress.tell(changed=changed, arrived=lambda: None)
        started = await self.dispatcher.start(request, None, now() + total)
        assert started.first == BODY
        return request.progress

    async def fail(self, *fallback: str, **fields: Any) -> ApiError:
        """The error of a call that is not answered."""
        with pytest.raises(ApiError) as failed:
            await self.ask(*fallback, **fields)
        return failed.value


def answer(**head: Any) -> PlayedAnswer:
    return PlayedAnswer(**head)


async def forever(_: Attempt) -> UpstreamAnswer:
    await asyncio.sleep(10_000)
    raise AssertionError


class TestAttempts:
    async def test_back_off_doubles_until_there_is_an_answer(self) -> None:
        bench = Bench(one=[REFUSED, REFUSED, REFUSED, answer()])
        call = await bench.ask()
        assert bench.vast.times == [0, 0.5, 1.5, 3.5]
        assert (call.attempts, call.retried) == (4, ["one"] * 3)

    async def test_there_are_sixteen_at_most(self) -> None:
        bench = Bench(one=[REFUSED])
        error = await bench.fail(total=10_000.0)
        assert error.message == "refused"
        assert len(bench.vast.attempts) == 16

    async def test_there_is_none_after_the_deadline(self) -> None:
        bench = Bench(one=[REFUSED])
        await bench.fail(total=3.0)
        assert bench.vast.times == [0, 0.5, 1.5]
        assert now() < 3

    async def test_a_kept_connection_that_was_closed_is_replaced_at_once_but_only_once(
        self,
    ) -> None:
        bench = Bench(one=[STALE, STALE, REFUSED, answer()])
        await bench.ask()
        assert bench.vast.times == [0, 0, 1, 3]
        new = [attempt.new_connection for attempt in bench.vast.attempts]
        assert new == [False, True, True, False]

    async def test_a_call_that_two_workers_were_lost_to_goes_to_no_third(self) -> None:
        bench = Bench(one=[DROPPED])
        error = await bench.fail()
        assert error.code == "vast_disconnected"
        assert "the call itself may be the reason" in error.message
        assert len(bench.vast.attempts) == 2

    @pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504])
    async def test_a_status_of_trouble_is_tried_again(self, status: int) -> None:
        bench = Bench(one=[answer(status=status), answer()])
        await bench.ask()
        assert len(bench.vast.attempts) == 2

    @pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
    async def test_any_other_error_is_not(self, status: int) -> None:
        refusing = answer(status=status)
        bench = Bench(one=[refusing])
        await bench.fail()
        assert len(bench.vast.attempts) == 1
        assert refusing.ended == "closed"

    async def test_retry_after_is_obeyed(self) -> None:
        bench = Bench(one=[answer(status=503, retry_after=7.0), answer()])
        await bench.ask()
        assert bench.vast.times == [0, 7]

    async def test_a_retry_after_beyond_the_deadline_is_the_app_s_to_know(self) -> None:
        bench = Bench(one=[answer(status=429, retry_after=86_400.0)])
        error = await bench.fail()
        assert (error.status, error.retry_after) == (429, 86_400)
        assert len(bench.vast.attempts) == 1

    async def test_an_answer_that_is_broken_off_before_its_first_byte_is_repeated(self) -> None:
        bench = Bench(one=[answer(pieces=[DROPPED]), answer()])
        await bench.ask()
        assert len(bench.vast.attempts) == 2

    async def test_an_app_that_leaves_ends_the_attempt(self) -> None:
        waiting = answer(pieces=[1_000.0])
        bench = Bench(one=[waiting])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await bench.ask()
        assert waiting.ended == "closed"


class TestFallbacks:
    async def test_the_next_endpoint_answers_where_the_first_has_no_worker(self) -> None:
        bench = Bench(one=[NO_WORKER], two=[answer()])
        call = await bench.ask("two")
        assert bench.vast.endpoints == ["one", "two"]
        assert (call.endpoint_name, call.fell_back_to) == ("two", ["two"])

    async def test_one_that_is_silent_leaves_half_of_the_time(self) -> None:
        bench = Bench(one=[forever], two=[answer()])
        await bench.ask("two")
        assert bench.vast.times == [0, TOTAL / 2]

    async def test_of_three_each_gets_half_of_what_is_left(self) -> None:
        bench = Bench(one=[forever], two=[forever], three=[answer()])
        await bench.ask("two", "three")
        assert bench.vast.times == [0, 50, 75]

    async def test_the_last_one_s_error_is_the_app_s(self) -> None:
        bench = Bench(one=[NO_WORKER], two=[answer(status=500)])
        error = await bench.fail("two", total=1.0)
        assert error.status == 500
        assert "no message" in error.message or "did not say why" in error.message

    async def test_an_app_s_own_mistake_does_not_go_elsewhere(self) -> None:
        bench = Bench(one=[answer(status=400)], two=[answer()])
        error = await bench.fail("two")
        assert error.status == 400
        assert bench.vast.endpoints == ["one"]

    @pytest.mark.parametrize("code", ["vast_key_missing", "vast_key_refused"])
    async def test_nor_does_what_every_endpoint_would_say(self, code: str) -> None:
        bench = Bench(one=[bad_gateway("no key", code, retry=False)], two=[answer()])
        error = await bench.fail("two", "provider", provider=ProviderCall("lab", "u", "u", ()))
        assert error.code == code
        assert bench.vast.endpoints == ["one"]
        assert not bench.provider.attempts

    @pytest.mark.parametrize("code", ["vast_key_missing", "vast_key_refused"])
    async def test_a_machine_needs_no_key_of_vast(self, code: str) -> None:
        refused = bad_gateway("no key", code, retry=False)
        bench = Bench(one=[refused], two=[answer()], box=[answer()])
        call = await bench.ask("two", "provider", "box", provider=ProviderCall("lab", "u", "u", ()))
        assert bench.vast.endpoints == ["one"]
        assert bench.machines.endpoints == ["box"]
        assert not bench.provider.attempts
        assert call.fell_back_to == ["box"]

    async def test_a_machine_whose_key_is_refused_does_not_keep_others_from_the_call(self) -> None:
        refused = bad_gateway("no key", "machine_key_refused", retry=False)
        bench = Bench(one=[NO_WORKER], box=[refused], two=[answer()])
        await bench.ask("box", "two")
        assert bench.machines.endpoints == ["box"]
        assert bench.vast.endpoints == ["one", "two"]

    async def test_the_provider_is_the_one_that_the_app_meant(self) -> None:
        bench = Bench(one=[NO_WORKER])
        call = await bench.ask("provider", provider=ProviderCall("lab", "u", "u", ()))
        assert bench.provider.endpoints == ["lab"]
        assert call.fell_back_to == ["lab"]

    async def test_a_replay_does_not_fall_back_to_the_provider(self) -> None:
        bench = Bench(one=[NO_WORKER])
        assert (await bench.fail("provider")).code == "vast_no_worker"
        assert not bench.provider.attempts

    async def test_a_call_that_is_for_the_provider_goes_there_alone(self) -> None:
        bench = Bench(one=[answer()])
        work = ToProvider(Operation.CHAT_COMPLETIONS)
        await bench.ask("two", work=work, provider=ProviderCall("lab", "u", "u", ()))
        assert (bench.vast.endpoints, bench.provider.endpoints) == ([], ["lab"])


class TestHealth:
    async def open_the_circuit(self, bench: Bench) -> None:
        """Three calls fail, over more than ten seconds."""
        for _ in range(3):
            await bench.fail(total=6.0)
            await asyncio.sleep(4)
        (health,) = bench.dispatcher.endpoints()
        assert health.state is CircuitState.OPEN

    async def test_one_that_keeps_failing_is_left_alone_and_then_probed(self) -> None:
        steps = [REFUSED]
        bench = Bench(one=steps)
        await self.open_the_circuit(bench)
        before = len(bench.vast.attempts)
        error = await bench.fail()
        assert (error.status, error.code) == (503, "vast_endpoint_down")
        assert error.retry_after
        assert len(bench.vast.attempts) == before

        await asyncio.sleep(error.retry_after)
        steps[:] = [self.slowly]  # type: ignore[list-item]
        probe = asyncio.ensure_future(bench.ask())
        await asyncio.sleep(1)
        assert (await bench.fail()).code == "vast_endpoint_down"  # one probe at a time
        await probe
        (health,) = bench.dispatcher.endpoints()
        assert health.state is CircuitState.CLOSED
        await bench.ask()

    @staticmethod
    async def slowly(_: Attempt) -> UpstreamAnswer:
        await asyncio.sleep(2)
        return PlayedAnswer()

    async def test_while_it_is_left_alone_calls_go_to_the_fallback_at_once(self) -> None:
        bench = Bench(one=[REFUSED], two=[answer()])
        await self.open_the_circuit(bench)
        began = now()
        call = await bench.ask("two")
        assert (call.endpoint_name, call.attempts, now()) == ("two", 1, began)

    async def test_calls_that_are_told_to_wait_are_no_failures(self) -> None:
        bench = Bench(one=[answer(status=429)])
        for _ in range(5):
            await bench.fail(total=6.0)
            await asyncio.sleep(4)
        (health,) = bench.dispatcher.endpoints()
        assert (health.state, health.trouble) == (CircuitState.CLOSED, "rate_limit_exceeded")

    @pytest.mark.parametrize(
        ("uploads", "state"),
        [
            ([b"one", b"two", b"three"], CircuitState.OPEN),
            ([b"one", b"one", b"one"], CircuitState.CLOSED),
        ],
        ids=["different files", "the same file again"],
    )
    async def test_uploads_that_are_lost_are_told_apart_by_their_files(
        self, uploads: list[bytes], state: CircuitState
    ) -> None:
        bench = Bench(one=[DROPPED])
        for number, upload in enumerate(uploads):
            form = Form("multipart/form-data", (b"--%d" % number, memoryview(upload)))
            request = request_for(config_of(), form=form, request_id=f"{number}")
            with pytest.raises(ApiError):
                await bench.dispatcher.start(request.with_pieces(()), None, now() + TOTAL)
            await asyncio.sleep(6)
        (health,) = bench.dispatcher.endpoints()
        assert health.state is state

    async def test_the_two_interfaces_to_an_endpoint_are_told_apart(self) -> None:
        bench = Bench(one=[answer()])
        await bench.ask()
        (health,) = bench.dispatcher.endpoints()
        assert health.id == (UpstreamKind.OPENAI, "one")

    async def test_no_more_endpoints_are_known_than_there_may_be(self) -> None:
        """Apps may make names of endpoints up."""
        names = [f"e{number}" for number in range(300)]
        bench = Bench(**{name: [answer()] for name in names})
        for name in names:
            await bench.dispatcher.start(request_for(config_of()), name, now() + 1)
        known = [health.id.name for health in bench.dispatcher.endpoints()]
        assert known == names[-256:]

    async def test_retries_of_many_calls_share_one_budget(self) -> None:
        bench = Bench(one=[REFUSED])
        await asyncio.gather(*[bench.fail(total=4.0) for _ in range(100)])
        assert 150 <= len(bench.vast.attempts) <= 100 + 100 + 10 * 4


class TestWaiting:
    async def test_is_measured_and_shown(self) -> None:
        shown: list[tuple[float, int]] = []
        bench = Bench(one=[self.cold])

        def changed() -> None:
            (health,) = bench.dispatcher.endpoints()
            shown.append((now(), health.waiting))

        call = await bench.ask(changed=changed)
        assert call.waits == {"one": 30}
        assert shown == [(0, 1), (20, 1), (30, 0)]
        assert call.waiting is None

    @staticmethod
    async def cold(attempt: Attempt) -> UpstreamAnswer:
        attempt.waiting("loading")
        await asyncio.sleep(20)
        attempt.waiting("almost")
        await asyncio.sleep(10)
        attempt.waiting(None)
        return PlayedAnswer()

    async def test_ends_when_the_app_leaves(self) -> None:
        bench = Bench(one=[self.cold])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await bench.ask()
        (health,) = bench.dispatcher.endpoints()
        assert health.waiting == 0

    async def test_closes_a_circuit_that_was_open(self) -> None:
        """Whoever says "wait" is not down."""
        steps = [REFUSED]
        bench = Bench(one=steps)
        await TestHealth().open_the_circuit(bench)
        await asyncio.sleep(60)
        steps[:] = [self.cold]  # type: ignore[list-item]
        probe = asyncio.ensure_future(bench.ask())
        await asyncio.sleep(1)
        (health,) = bench.dispatcher.endpoints()
        assert health.state is CircuitState.CLOSED
        await probe


async def test_without_an_endpoint_the_call_is_refused() -> None:
    bench = Bench()
    config = load_config(None, {"VAST_API_KEY": "k" * 20})
    with pytest.raises(ApiError) as refused:
        await bench.dispatcher.start(request_for(config), None, now() + 1)
    assert refused.value.code == "vast_endpoint_missing"


async def test_a_mistake_of_the_app_that_the_upstream_itself_finds_is_no_failure() -> None:
    bench = Bench(one=[bad_request("no such endpoint", "vast_endpoint_unknown", status=404)])
    assert (await bench.fail()).status == 404
    (health,) = bench.dispatcher.endpoints()
    assert (health.state, health.trouble) == (CircuitState.CLOSED, "")
