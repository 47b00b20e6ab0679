"""Calls are recorded as they end, whatever becomes of them; and nothing else is."""

import asyncio
import errno
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions, flow, http, websocket
from mitmproxy.io import FlowReader
from mitmproxy.proxy.layers.http import (
    HttpErrorHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)
from wsproto.frame_protocol import Opcode

from vast_intercept.intercept import recording
from vast_intercept.intercept.body_recorder import BodyRecorder
from vast_intercept.mitm.flow_writing import FlowFile
from vast_intercept.mitmweb.notes import all_noted

from .in_process import InProcess, mitmproxy_with_addon, request_to

KEY = "sk-app-0123456789abcdefghijklmnopqrstuvwxyz"
CHAT = "https://api.openai.com/v1/chat/completions"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
DONE = b"data: [DONE]\n\n"
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream; charset=utf-8"}


@pytest.fixture
async def mitm(tmp_path: Path) -> AsyncIterator[InProcess]:
    """An interceptor that records in `calls`."""
    async with mitmproxy_with_addon(tmp_path) as running:
        running.master.options.update(vast_record=str(tmp_path / "calls"))
        yield running


async def asked(mitm: InProcess, body: bytes = b"{}", url: str = CHAT) -> http.HTTPFlow:
    """A call of which all has come. A body of no declared length passes in pieces."""
    made = request_to(url, headers={"authorization": f"Bearer {KEY}"}, body=body)
    await mitm.begin(made)
    if callable(stream := made.request.stream):
        for piece in (body[:3], body[3:], b""):
            stream(piece)
    await mitm.go_on(made, body)
    return made


async def answered(
    mitm: InProcess,
    made: http.HTTPFlow,
    *pieces: bytes,
    status: int = 200,
    headers: dict[str, str] = JSON,
    error: str = "",
) -> None:
    """The provider's answer comes in these pieces, and perhaps breaks off."""
    response = made.response = http.Response.make(status, b"", headers)
    response.data.content = None
    await mitm._call(HttpResponseHeadersHook(made))
    assert callable(response.stream)
    for piece in pieces:
        response.stream(piece)
    if error:
        made.error = flow.Error(error)
        await mitm._call(HttpErrorHook(made))
    else:
        response.stream(b"")
        await mitm._call(HttpResponseHook(made))


async def unanswered(mitm: InProcess, made: http.HTTPFlow) -> None:
    """There is no answer."""
    made.error = flow.Error("connection refused")
    await mitm.end(made)


async def recorded(mitm: InProcess, path: Path) -> list[http.HTTPFlow]:
    """What is in the file, once all is written."""
    await asyncio.gather(*mitm.recording._writing)
    return flows_in(path) if path.exists() else []  # noqa: ASYNC240


def flows_in(path: Path) -> list[http.HTTPFlow]:
    """The file's flows, as mitmproxy reads them."""
    with path.open("rb") as file:
        flows = list(FlowReader(file).stream())
    assert all(isinstance(each, http.HTTPFlow) for each in flows)
    return flows  # type: ignore[return-value]


def told(mitm: InProcess) -> str:
    """What is said at the end."""
    return str(mitm.recording.recorded)


class TestCalls:
    async def test_one_that_is_too_large_with_its_answer_is_recorded_without(
        self, mitm: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recording, "_ROOM_FOR_HEAD", recording.MAX_FLOW - 1_000)
        await answered(mitm, await asked(mitm, b"x" * 600), b"y" * 600)
        await answered(mitm, await asked(mitm, b"x" * 600), b"y" * 300)
        first, second = await recorded(mitm, tmp_path / "calls")
        assert first.response
        assert second.response
        assert (first.request.content, first.response.raw_content) == (b"x" * 600, None)
        assert second.response.content == b"y" * 300
        assert "1 without the answer, which was too large" in told(mitm)

    @pytest.mark.parametrize("size", [100, 10_000])
    async def test_no_body_is_held_once_it_is_written_or_left_out(
        self, mitm: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        """mitmproxy holds a flow, and with it what kept its bodies, for longer than it needs it."""
        monkeypatch.setattr(recording, "MAX_FLOW", 5_000)
        monkeypatch.setattr(recording, "_ROOM_FOR_HEAD", -1_000_000)
        made = await asked(mitm)
        await answered(mitm, made, b"y" * size)
        assert len(await recorded(mitm, tmp_path / "calls")) == (size < 5_000)
        assert made.response
        assert isinstance(made.response.stream, BodyRecorder)
        assert made.response.stream.take() == []

    def test_what_failed_in_the_thread_keeps_no_body(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An error that was raised there would, by its traceback."""
        monkeypatch.setattr(recording, "as_recorded", lambda _: 1 / 0)
        problem = recording._append(None, None, 0)  # type: ignore[arg-type]
        assert isinstance(problem, ZeroDivisionError)
        assert problem.__traceback__ is None

    async def test_whole_and_streamed_are_recorded_whole(
        self, mitm: InProcess, tmp_path: Path
    ) -> None:
        await answered(mitm, await asked(mitm, b'{"a": 1}'), b'{"quotes', b' "%b"}' % KEY.encode())
        stream = await asked(mitm, b'{"stream": true}')
        await answered(mitm, stream, ROLE, EVENT[:20], EVENT[20:], DONE, headers=SSE)
        whole, streamed = await recorded(mitm, tmp_path / "calls")
        assert whole.response
        assert streamed.response
        assert (whole.request.content, whole.response.content) == (
            b'{"a": 1}',
            b'{"quotes "***wxyz"}',
        )
        assert streamed.response.content == ROLE + EVENT + DONE
        assert KEY.encode() not in (tmp_path / "calls").read_bytes()
        notes = all_noted(streamed)
        assert notes["time_to_first_token"] >= 0
        assert (notes["operation"], notes["provider"]) == ("chat/completions", "openai")
        assert notes["outcome"] == "passed_on"
        assert "time_to_first_token" not in all_noted(whole)
        assert whole.request.headers["authorization"] == "Bearer ***wxyz"
        assert "recorded 2 calls (2 chat/completions) in" in told(mitm)
        assert mitm.recording.recorded
        step = mitm.recording.recorded.next_step
        assert step == f". Next: vast-intercept rehearse {tmp_path}/calls"

    async def test_of_an_answer_that_breaks_off_what_came(
        self, mitm: InProcess, tmp_path: Path
    ) -> None:
        made = await asked(mitm)
        await answered(mitm, made, ROLE, EVENT, headers=SSE, error="Server disconnected.")
        (call,) = await recorded(mitm, tmp_path / "calls")
        assert call.response
        assert call.response.content == ROLE + EVENT
        assert call.error
        assert call.error.msg == "Server disconnected."

    async def test_an_app_that_leaves_after_the_end_breaks_nothing_off(
        self, mitm: InProcess, tmp_path: Path
    ) -> None:
        made = await asked(mitm)
        await answered(mitm, made, EVENT, DONE, headers=SSE, error="Client disconnected.")
        (call,) = await recorded(mitm, tmp_path / "calls")
        assert call.error is None
        assert made.error

    async def test_without_an_answer(self, mitm: InProcess, tmp_path: Path) -> None:
        made = await asked(mitm, b'{"a": 2}')
        await unanswered(mitm, made)
        (call,) = await recorded(mitm, tmp_path / "calls")
        assert (call.request.content, call.response) == (b'{"a": 2}', None)
        assert call.error
        assert call.error.msg == "connection refused"

    async def test_a_websocket_when_it_is_closed(self, mitm: InProcess, tmp_path: Path) -> None:
        made = request_to(
            "https://api.openai.com/v1/realtime?model=m",
            "GET",
            headers={"authorization": f"Bearer {KEY}", "upgrade": "websocket"},
        )
        await mitm.begin(made)
        await mitm.go_on(made, b"")
        made.response = http.Response.make(101, b"", {"upgrade": "websocket"})
        made.websocket = websocket.WebSocketData()
        await mitm._call(HttpResponseHeadersHook(made))
        await mitm._call(HttpResponseHook(made))
        assert await recorded(mitm, tmp_path / "calls") == []
        message = websocket.WebSocketMessage(Opcode.TEXT, from_client=True, content=KEY.encode())
        made.websocket.messages = [message]
        mitm.recording.websocket_end(made)
        (call,) = await recorded(mitm, tmp_path / "calls")
        assert call.websocket
        assert call.websocket.messages[0].content == b"***wxyz"
        assert "(1 realtime)" in told(mitm)

    async def test_two_at_a_time_are_both_whole(self, mitm: InProcess, tmp_path: Path) -> None:
        calls = [await asked(mitm, b"%d" % number) for number in range(20)]
        await asyncio.gather(*(answered(mitm, each, b"x" * 50_000) for each in calls))
        assert len(await recorded(mitm, tmp_path / "calls")) == 20

    async def test_what_is_no_call_is_not(self, mitm: InProcess, tmp_path: Path) -> None:
        for url in ("https://api.openai.com/about", "https://example.com/v1/chat/completions"):
            made = request_to(url, "GET", headers={})
            await mitm.begin(made)
            await mitm.go_on(made, b"")
            await mitm.end(made)
        replay = await asked(mitm)
        replay.is_replay = "request"
        await answered(mitm, replay, b"{}")
        assert await recorded(mitm, tmp_path / "calls") == []
        assert told(mitm) == "recorded 0 calls"


class TestBounds:
    @pytest.fixture
    def small(self, mitm: InProcess) -> InProcess:
        """One that holds bodies of 1,000 bytes."""
        mitm.master.options.update(stream_large_bodies="1000")
        return mitm

    async def test_a_request_that_passes_in_pieces_is_kept(
        self, small: InProcess, tmp_path: Path
    ) -> None:
        body = b"x" * 900
        made = request_to(CHAT, headers={}, body=body)
        del made.request.headers["content-length"]
        made.request.headers["transfer-encoding"] = "chunked"
        await small.begin(made)
        assert callable(made.request.stream)
        for piece in (body[:400], body[400:], b""):
            assert made.request.stream(piece) == piece
        await small.go_on(made, b"")
        await answered(small, made, b"{}")
        (call,) = await recorded(small, tmp_path / "calls")
        assert call.request.content == body

    async def test_a_request_that_is_too_large_is_counted(
        self, small: InProcess, tmp_path: Path
    ) -> None:
        await answered(small, await asked(small, b"x" * 1001), b"{}")
        assert await recorded(small, tmp_path / "calls") == []
        assert told(small) == "recorded 0 calls; not recorded: 1 too large"

    async def test_an_answer_that_is_too_large_is_left_out_of_its_call(
        self, small: InProcess, tmp_path: Path
    ) -> None:
        await answered(small, await asked(small, b'{"a": 3}'), b"x" * 600, b"x" * 600)
        (call,) = await recorded(small, tmp_path / "calls")
        assert call.request.content == b'{"a": 3}'
        assert call.response
        assert call.response.raw_content is None
        assert told(small).endswith(", 1 without the answer, which was too large")

    async def test_a_request_that_is_cut_is_counted(self, mitm: InProcess, tmp_path: Path) -> None:
        made = await asked(mitm)
        made.request.timestamp_end = None
        await unanswered(mitm, made)
        assert await recorded(mitm, tmp_path / "calls") == []
        assert told(mitm).endswith("not recorded: 1 without all of the request")

    async def test_the_limit_of_the_file_ends_the_recording_and_no_call(
        self, mitm: InProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        mitm.master.options.update(vast_record_limit="20k")
        await answered(mitm, await asked(mitm), b"{}")
        for size in (30_000, 30_000, 10):
            made = await asked(mitm)
            await answered(mitm, made, b"x" * size)
            assert len(await recorded(mitm, tmp_path / "calls")) == 1
            assert made.comment.startswith("passed on to openai")
        assert (tmp_path / "calls").stat().st_size < 20 * 1024
        assert told(mitm).endswith("; not recorded: 3 beyond the limit of the file")
        assert [each.message for each in caplog.records if "become larger" in each.message] == [
            mitm.recording.trouble
        ]

    async def test_a_full_disk_ends_no_call_and_not_the_recording(
        self,
        mitm: InProcess,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        append = FlowFile.append

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(FlowFile, "append", full)
        for _ in range(3):
            await answered(mitm, await asked(mitm), b"{}")
        assert await recorded(mitm, tmp_path / "calls") == []
        monkeypatch.setattr(FlowFile, "append", append)
        await answered(mitm, await asked(mitm), b"{}")
        assert len(await recorded(mitm, tmp_path / "calls")) == 1
        assert "not recorded: 3 that could not be written" in told(mitm)
        said = [each.message for each in caplog.records if each.levelno == logging.WARNING]
        full_disk = (
            f"Calls are not recorded in {tmp_path}/calls: No space left on device. They go on to"
            " their providers, and recording goes on once it can."
        )
        assert said[-2:] == [full_disk, "Calls are recorded again."]
        assert said.count(full_disk) == 1

    async def test_a_slow_disk_holds_up_nothing_and_all_memory_is_given_back(
        self, mitm: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        may_write, append = threading.Event(), FlowFile.append

        def slow(file: FlowFile, content: bytes, limit: int) -> None:
            assert may_write.wait(20)
            append(file, content, limit)

        monkeypatch.setattr(FlowFile, "append", slow)
        for _ in range(3):
            await answered(mitm, await asked(mitm), b"x" * 200_000)
        assert mitm.relay.memory.held >= 600_000
        may_write.set()
        assert len(await recorded(mitm, tmp_path / "calls")) == 3
        assert mitm.relay.memory.held == 0

    async def test_a_disk_that_hangs_does_not_fill_the_memory(
        self, mitm: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        may_write = threading.Event()
        monkeypatch.setattr(FlowFile, "append", lambda *_: may_write.wait(20))
        monkeypatch.setattr(recording, "_MOST_WAITING", 3)
        for _ in range(5):
            await answered(mitm, await asked(mitm), b"{}")
        assert told(mitm).endswith("not recorded: 2 that could not be written")
        may_write.set()
        await recorded(mitm, tmp_path / "calls")
        assert "recorded 3 calls" in told(mitm)

    async def test_a_call_that_began_before_the_recording_is_whole_or_left_out(
        self, tmp_path: Path
    ) -> None:
        async with mitmproxy_with_addon(tmp_path, unsupported={"files": "pass"}) as running:
            options = running.master.options
            options.update(stream_large_bodies="1000")
            large, small = [
                await asked(running, b"x" * size, "https://api.openai.com/v1/files")
                for size in (2_000, 10)
            ]
            options.update(vast_record=str(tmp_path / "calls"))
            for each in (large, small):
                await answered(running, each, b"{}")
            (call,) = await recorded(running, tmp_path / "calls")
            assert call.request.content == b"x" * 10
            assert told(running).endswith("; not recorded: 1 too large")

    async def test_what_still_runs_at_the_end_is_counted(
        self, mitm: InProcess, tmp_path: Path
    ) -> None:
        await answered(mitm, await asked(mitm), b"{}")
        await asked(mitm)
        await mitm.recording.close(1)
        assert told(mitm).endswith("; not recorded: 1 still running")
        assert len(await recorded(mitm, tmp_path / "calls")) == 1


class TestOptions:
    async def test_a_file_that_exists_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "calls").write_text("mine")
        async with mitmproxy_with_addon(tmp_path) as running:
            with pytest.raises(exceptions.OptionsError, match="exists already"):
                running.master.options.update(vast_record=str(tmp_path / "calls"))
            assert running.settings.recording is False
            made = await asked(running)
            assert all_noted(made)["operation"] == "chat/completions"
            assert "on to openai" not in made.comment
            await unanswered(running, made)
        assert (tmp_path / "calls").read_text() == "mine"

    @pytest.mark.parametrize("limit", ["much", "-1", "1x"])
    async def test_a_limit_that_is_no_size_is_refused(self, limit: str, tmp_path: Path) -> None:
        async with mitmproxy_with_addon(tmp_path) as running:
            with pytest.raises(exceptions.OptionsError, match="vast_record_limit"):
                running.master.options.update(vast_record_limit=limit)

    async def test_switched_off_calls_are_served_again(
        self, mitm: InProcess, tmp_path: Path
    ) -> None:
        await answered(mitm, await asked(mitm), b"{}")
        mitm.master.options.update(vast_record="")
        made = await asked(mitm)
        assert made.request.host == "127.0.0.1"  # the relay
        await unanswered(mitm, made)
        assert len(await recorded(mitm, tmp_path / "calls")) == 1

    async def test_it_is_ready_without_a_configuration_and_says_what_it_does(
        self, mitm: InProcess, tmp_path: Path
    ) -> None:
        page = mitm.calls.status_page
        assert set(page.not_ready()) <= {"The proxy does not listen.", "The relay does not run."}
        (notice,) = page.state().notices
        assert notice == (
            f"Calls go to their own providers, and are recorded in {tmp_path}/calls. None is"
            " served."
        )
