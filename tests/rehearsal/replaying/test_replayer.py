"""Recorded calls are made by the interceptor's real hooks and relay: each once, none elsewhere."""

import asyncio
import gc
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from mitmproxy import http

from vast_intercept.rehearsal.calls import RecordedCall, RehearsedCall
from vast_intercept.rehearsal.replaying import replayer
from vast_intercept.rehearsal.replaying.replayer import KeyRefusedError, Replayer, Work
from vast_intercept.rehearsal.replaying.results import CallKey, Results, ResultsError, keyed
from vast_intercept.secret import Secret, Secrets
from vast_intercept.telemetry.report import CallReport, Ending

from ...harness import VAST_KEY
from ...intercept.in_process import ANSWER, InProcess, mitmproxy_with_addon

CHATS = "https://api.openai.com/v1/chat/completions"
STREAM = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def chat(text: str = "hi", *, url: str = CHATS, headers: Any = (), **members: Any) -> RecordedCall:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **members}
    return RecordedCall(
        place=text,
        method="POST",
        url=url,
        headers=(("content-type", "application/json"), *headers),
        body=json.dumps(body).encode(),
    )


@dataclass
class Vast:
    """Vast's own API. Each answer waits until it may go, if it is to."""

    url: str = ""
    status: int = 200
    #: mitmproxy's folder: making a CA takes a while.
    confdir: Path = Path()
    #: What makes a whole answer long.
    padding: str = ""
    #: What each call has said to the model, in the order in which they came.
    heard: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    running: int = 0
    most: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    left: int = 0
    come: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, count: int) -> None:
        """Waits until so many calls have come."""
        async with asyncio.timeout(10), self.come:
            await self.come.wait_for(lambda: len(self.heard) >= count)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        async with self.come:
            self.heard.append(str((body.get("messages") or [{"content": ""}])[-1]["content"]))
            self.come.notify_all()
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.left += 1
            raise
        finally:
            self.running -= 1
        if self.status != 200:
            return web.json_response({"error": {"message": "no"}}, status=self.status)
        if body.get("stream"):
            return web.Response(body=STREAM, content_type="text/event-stream")
        more = {"model": request.headers["authorization"], "padding": self.padding}
        return web.json_response(ANSWER | more)


@pytest.fixture
async def vast(confdir: Path) -> AsyncIterator[Vast]:
    server = Vast(confdir=confdir)
    server.go.set()
    app = web.Application(handler_args={"handler_cancellation": True})
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as running:
        server.url = f"http://127.0.0.1:{running.port}"
        yield server


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    with Results(tmp_path / "calls.flows.rehearsal", "settings") as kept:
        yield kept


@asynccontextmanager
async def rehearsing(
    vast: Vast, folder: Path, work: Work, **config: Any
) -> AsyncIterator[tuple[Replayer, InProcess]]:
    """A mitmproxy that makes the calls."""
    section = {"endpoint": "my-endpoint", "openai_url": vast.url, "api_key": VAST_KEY}
    more = config.pop("section", {})
    options = ["vast_rehearse=true", *config.pop("options", [])]
    async with mitmproxy_with_addon(
        folder, options=options, confdir=vast.confdir, vast=section | more, **config
    ) as mitmproxy:
        addon = Replayer(mitmproxy.ours, work)
        addon.running()
        try:
            yield addon, mitmproxy
        finally:
            await addon.done()


async def made(vast: Vast, folder: Path, work: Work, **config: Any) -> Work:
    """Makes all calls, until mitmproxy is told to end."""
    async with rehearsing(vast, folder, work, **config) as (_, mitmproxy), asyncio.timeout(20):
        await mitmproxy.master.should_exit.wait()
    return work


def work_on(calls: list[RecordedCall], results: Results, **more: Any) -> Work:
    return Work(calls=keyed(calls, 0), results=results, **{"concurrency": 2} | more)


def reports(results: Results, calls: list[RecordedCall]) -> list[CallReport]:
    found = [results.get(key) for key, _ in keyed(calls, 0)]
    return [each.report for each in found if each]


# --- each call, as the interceptor would have made it -----------------------------------------


async def test_what_an_app_would_have_got_is_kept_with_what_the_interceptor_tells(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    calls = [chat("whole"), chat("streamed", stream=True)]
    keys = Secrets()
    keys.add(Secret(VAST_KEY))
    ended: list[str | None] = []
    work = work_on(calls, results, keys=keys, ended=lambda call: ended.append(call.report.endpoint))
    await made(vast, tmp_path, work)
    assert (work.made, work.problem, work.interrupted) == (2, None, False)
    assert ended == ["my-endpoint"] * 2
    whole, streamed = (results.get(key) for key, _ in keyed(calls, 0))
    assert whole
    assert whole.answer
    # The model's name is the header that Vast got: the key is masked in what is kept.
    assert json.loads(whole.answer.body)["model"] == f"Bearer ***{VAST_KEY[-4:]}"
    assert whole.answer.content_type.startswith("application/json")
    assert (whole.answer.status, whole.answer.whole) == (200, True)
    assert whole.answer.time_to_first_token is None
    assert whole.answer.duration == whole.report.duration
    assert (whole.report.outcome, whole.report.attempts) == (Ending.OK, 1)
    assert streamed
    assert streamed.answer
    assert streamed.answer.body == STREAM
    assert streamed.answer.time_to_first_token == streamed.report.time_to_first_token
    assert 0 < (streamed.answer.time_to_first_token or 0) <= (streamed.answer.duration or 0)


async def test_a_bridge_makes_of_a_responses_call_what_it_makes_of_an_apps(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    body = {"model": "gpt-4o", "input": "through the bridge", "store": True}
    call = RecordedCall(
        place="1",
        method="POST",
        url="https://api.openai.com/v1/responses",
        headers=(("content-type", "application/json"),),
        body=json.dumps(body).encode(),
    )
    kept = tmp_path / "responses.db"
    await made(vast, tmp_path, work_on([call], results), responses={"store": str(kept)})
    found = results.get(CallKey(call.digest, 0, 0))
    assert found
    assert found.answer
    assert json.loads(found.answer.body)["object"] == "response"
    assert vast.heard == ["through the bridge"]
    assert not kept.exists()  # responses of a rehearsal are kept in memory alone


async def test_an_answer_that_is_too_long_to_be_kept_is_a_result_without_its_body(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    vast.padding = "x" * (8 * 1024 * 1024)
    calls = [chat()]
    await made(vast, tmp_path, work_on(calls, results))
    found = results.get(CallKey(calls[0].digest, 0, 0))
    assert found
    assert found.answer
    assert (found.answer.status, found.answer.body, found.answer.whole) == (200, b"", False)
    assert found.report.outcome is Ending.OK


async def test_keys_of_clients_do_not_apply(vast: Vast, tmp_path: Path, results: Results) -> None:
    calls = [chat()]
    await made(
        vast,
        tmp_path,
        work_on(calls, results),
        clients={"keys": [{"name": "one", "sha256": "0" * 64}]},
    )
    assert [each.outcome for each in reports(results, calls)] == [Ending.OK]


async def test_so_many_calls_run_at_a_time_and_no_more(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    vast.go.clear()
    calls = [chat(str(number)) for number in range(12)]
    work = work_on(calls, results, concurrency=3)
    async with rehearsing(vast, tmp_path, work) as (_, mitmproxy), asyncio.timeout(20):
        await vast.wait_for(3)
        vast.go.set()
        await mitmproxy.master.should_exit.wait()
    assert vast.most == 3
    assert sorted(vast.heard) == sorted(str(number) for number in range(12))
    assert results.concurrency == 3


async def test_nothing_is_held_of_calls_that_have_ended(
    vast: Vast, tmp_path: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: WeakSet[http.HTTPFlow] = WeakSet()
    held: list[int] = []

    def flow_of(call: RecordedCall, request_id: str) -> http.HTTPFlow:
        flow = make_flow(call, request_id)
        begun.add(flow)
        return flow

    def count(_: RehearsedCall) -> None:
        if work.made == len(calls):
            gc.collect()
            held.append(len(begun))

    make_flow = replayer.flow_of
    monkeypatch.setattr(replayer, "flow_of", flow_of)
    calls = [chat(str(number), stream=bool(number % 2)) for number in range(24)]
    work = work_on(calls, results, ended=count)
    await made(vast, tmp_path, work)
    # The last one, and what mitmproxy still does with the one before.
    assert len(held) == 1
    assert held[0] <= 4


async def test_vast_is_reached_through_mitmproxys_own_upstream_proxy(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    """It is a company's, and refuses everybody: so it is the proxy that the call has failed at."""

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        writer.close()

    calls = [chat()]
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        vast.url = "https://vast.test"
        await made(
            vast,
            tmp_path,
            work_on(calls, results),
            options=[f"mode=upstream:http://127.0.0.1:{port}"],
            section={"timeout": {"total": 1}},
        )
    (report,) = reports(results, calls)
    assert report.endpoint == "my-endpoint"
    assert "407" in str(report.error_message)


# --- never to a provider ----------------------------------------------------------------------


class _Provider:
    """A listener in the place of a provider, which must see no connection."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[dict[str, Any]]:
        """The configuration that makes it a provider."""

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            writer.close()

        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield {"name": "own", "host": "localhost", "port": self.port, "scheme": "http"}
        assert self.connections == 0

    def url(self, path: str) -> str:
        return f"http://localhost:{self.port}{path}"


async def test_nothing_reaches_a_provider(vast: Vast, tmp_path: Path, results: Results) -> None:
    provider = _Provider()
    async with provider.listening() as own:
        calls = [
            chat("passed on", url=provider.url("/v1/embeddings")),
            chat("outside of the API", url=provider.url("/about")),
            chat("served", url=provider.url("/v1/chat/completions")),
            chat("elsewhere", url=provider.url("/v1/x").replace("localhost", "127.0.0.1")),
        ]
        await made(
            vast,
            tmp_path,
            work_on(calls, results),
            providers=[own],
            unsupported={"embeddings": "pass"},
        )
    assert [each.error for each in reports(results, calls)] == [
        "not_rehearsed",
        "not_rehearsed",
        None,
        "not_rehearsed",
    ]
    assert vast.heard == ["served"]
    first = reports(results, calls)[0]
    assert first.error_message == "The call would go to own. In a rehearsal it is not made."
    assert (first.status, first.outcome, first.operation) == (403, Ending.REFUSED, "embeddings")


async def test_a_route_that_falls_back_to_the_provider_ends_there(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    vast.status = 400
    provider = _Provider()
    async with provider.listening() as own:
        calls = [chat("down", url=provider.url("/v1/chat/completions"))]
        vast.url = f"http://127.0.0.1:{_unused_port()}"
        await made(
            vast,
            tmp_path,
            work_on(calls, results),
            providers=[own],
            section={"timeout": {"total": 1}},
            routes=[{"model": "*", "endpoint": "my-endpoint", "fallback": ["provider"]}],
        )
    (report,) = reports(results, calls)
    assert report.error == "not_rehearsed"
    assert str(report.error_message).startswith(
        "The call would go to own after this failure: Cannot connect to "
    )


def _unused_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


# --- interrupted and gone on ------------------------------------------------------------------


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_after_a_signal_no_call_begins_and_those_that_run_are_kept(
    vast: Vast, tmp_path: Path, results: Results, number: signal.Signals
) -> None:
    vast.go.clear()
    calls = [chat(str(each)) for each in range(6)]
    said: list[str] = []
    work = work_on(calls, results, said=said.append)
    async with rehearsing(vast, tmp_path, work) as (_, mitmproxy), asyncio.timeout(20):
        await vast.wait_for(2)
        os.kill(os.getpid(), number)
        while not said:  # noqa: ASYNC110  (the loop handles the signal in a moment)
            await asyncio.sleep(0.001)
        vast.go.set()
        await mitmproxy.master.should_exit.wait()
    assert said == ["Interrupted. Running calls are waited for (2); a second signal abandons them."]
    assert (work.interrupted, work.made, work.problem) == (True, 2, None)
    assert sorted(vast.heard) == ["0", "1"]
    again = work_on(calls, results)
    (tmp_path / "again").mkdir()
    await made(vast, tmp_path / "again", again)
    assert (again.interrupted, again.made) == (False, 4)
    assert sorted(vast.heard) == [str(each) for each in range(6)]  # each of them once
    assert len(results) == 6


async def test_a_second_signal_abandons_calls_and_keeps_nothing_of_them(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    vast.go.clear()
    calls = [chat(str(each)) for each in range(6)]
    work = work_on(calls, results)
    async with rehearsing(vast, tmp_path, work) as (_, mitmproxy), asyncio.timeout(20):
        await vast.wait_for(2)
        press_ctrl_c()
        while not work.interrupted:  # noqa: ASYNC110  (the loop handles the signal in a moment)
            await asyncio.sleep(0.001)
        press_ctrl_c()
        await mitmproxy.master.should_exit.wait()
    assert (work.made, len(results)) == (0, 0)
    assert vast.left == 2  # Vast is told that nobody waits for them


async def test_calls_that_ask_for_the_same_are_each_made(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    calls = [chat("same"), chat("same"), chat("same")]
    await made(vast, tmp_path, work_on(calls, results))
    assert vast.heard == ["same"] * 3
    again = await made(vast, tmp_path, work_on(calls, results))
    assert again.made == 0
    assert vast.heard == ["same"] * 3


async def test_one_key_twice_is_one_call(vast: Vast, tmp_path: Path, results: Results) -> None:
    call = chat("asked of a judge")
    twice = [(CallKey(call.digest, 0, 0), call)] * 2
    vast.go.clear()
    work = Work(calls=iter(twice), results=results, concurrency=2)
    async with rehearsing(vast, tmp_path, work) as (_, mitmproxy), asyncio.timeout(20):
        await vast.wait_for(1)
        vast.go.set()
        await mitmproxy.master.should_exit.wait()
    assert vast.heard == ["asked of a judge"]


# --- what goes wrong --------------------------------------------------------------------------


async def test_what_vast_refuses_is_a_result(vast: Vast, tmp_path: Path, results: Results) -> None:
    vast.status = 400
    calls = [chat()]
    work = await made(vast, tmp_path, work_on(calls, results))
    (report,) = reports(results, calls)
    assert (work.made, report.status, report.outcome) == (1, 400, Ending.FAILED)


async def test_a_key_that_is_refused_ends_it_and_nothing_is_kept(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    vast.status = 401
    calls = [chat(str(each)) for each in range(20)]
    work = await made(vast, tmp_path, work_on(calls, results))
    assert isinstance(work.problem, KeyRefusedError)
    assert "refused the Vast API key" in str(work.problem)
    assert (work.made, len(results)) == (0, 0)
    assert len(vast.heard) <= 4


async def test_a_call_for_which_this_machine_has_no_room_is_made_again(
    vast: Vast, tmp_path: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replayer, "_AGAIN", 0.01)
    calls = [chat()]
    work = work_on(calls, results)
    async with rehearsing(vast, tmp_path, work) as (_, mitmproxy), asyncio.timeout(20):
        answers = iter([False, False])
        descriptors = mitmproxy.calls.descriptors
        monkeypatch.setattr(descriptors, "admit_call", lambda: next(answers, True))
        await mitmproxy.master.should_exit.wait()
    (report,) = reports(results, calls)
    assert (work.made, report.outcome) == (1, Ending.OK)
    assert next(answers, None) is None


@pytest.mark.parametrize("stopped", [False, True])
async def test_fewer_calls_run_at_a_time_if_they_are_large(
    vast: Vast, tmp_path: Path, results: Results, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    monkeypatch.setattr(replayer, "MOST_HELD", 2_500)
    calls = [chat(f"{number}{'x' * 1_000}") for number in range(4)] + [chat("y" * 5_000)]
    interrupted = asyncio.Event()
    work = work_on(calls, results, concurrency=5, said=lambda _: interrupted.set())
    vast.go.clear()
    async with rehearsing(vast, tmp_path, work) as (_, mitmproxy):
        await vast.wait_for(2)
        if stopped:
            press_ctrl_c()
            async with asyncio.timeout(20):
                await interrupted.wait()
        vast.go.set()
        async with asyncio.timeout(20):
            await mitmproxy.master.should_exit.wait()
    assert vast.most == 2
    assert work.made == (2 if stopped else 5)


async def test_another_configuration_than_was_planned_for_makes_no_call(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    work = work_on([chat()], results, objection=lambda config: f"It names {config.endpoint}.")
    await made(vast, tmp_path, work)
    assert str(work.problem) == "It names my-endpoint."
    assert vast.heard == []


async def test_results_that_cannot_be_kept_end_it(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    pages = results._database.execute("pragma page_count").fetchone()[0]
    results._database.execute(f"pragma max_page_count = {pages}")
    calls = [chat(f"{each} {'x' * 100}") for each in range(200)]
    work = await made(vast, tmp_path, work_on(calls, results))
    assert isinstance(work.problem, ResultsError)
    assert "disk is full" in str(work.problem)
    assert len(results) == work.made < 200
    assert len(vast.heard) <= work.made + 4


async def test_a_recording_that_breaks_off_ends_it(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    def breaking() -> Iterator[tuple[CallKey, RecordedCall]]:
        yield from keyed([chat("first")], 0)
        raise ValueError("cannot be read any more")

    work = Work(calls=breaking(), results=results, concurrency=2)
    await made(vast, tmp_path, work)
    assert str(work.problem) == "cannot be read any more"
    assert work.made == 1


async def test_whatever_a_recording_holds_has_a_result_and_goes_nowhere(
    vast: Vast, tmp_path: Path, results: Results
) -> None:
    odd = [
        chat("no URL", url="nonsense"),
        chat("another scheme", url="ftp://api.openai.com/v1/chat/completions"),
        RecordedCall(place="1", method="CONNECT", url=CHATS),
        RecordedCall(place="1", method="GE T", url=CHATS, headers=(("a b", "c\nd"),)),
        RecordedCall(place="1", method="POST", url="https://api.openai.com/\udcff"),
    ]
    calls = [*odd, chat("served")]
    work = await made(vast, tmp_path, work_on(calls, results))
    assert work.problem is None
    *found, served = reports(results, calls)
    assert len(found) == len(odd)
    assert Ending.OK not in {each.outcome for each in found}
    assert served.outcome is Ending.OK
    assert vast.heard == ["served"]
