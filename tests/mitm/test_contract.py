"""What mitm/ rests on in mitmproxy itself: a new mitmproxy that changes any of it fails here.

Each test looks at mitmproxy, not at our copy of what it did: its signatures, and how it behaves in
this process, with a real connection where that is what matters.
"""

import asyncio
import dataclasses
import inspect
import logging
import types
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from mitmproxy import command, ctx, flow, hooks, http, master, options
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons import (
    clientplayback,
    default_addons,
    intercept,
    modifybody,
    proxyauth,
    proxyserver,
    script,
    serverplayback,
    termlog,
)
from mitmproxy.connection import Client
from mitmproxy.log import LegacyLogEvents
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers import tls as tls_layers
from mitmproxy.proxy.layers.http import _http1, _http2, _http_h2
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.test import taddons, tflow
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.web import app as web_app
from mitmproxy.tools.web.master import WebMaster
from mitmproxy.utils import typecheck
from tornado.web import OutputTransform

from vast_intercept.mitm import borrowed, direct_hooks, other_addons, programs, replaying, sockets
from vast_intercept.mitm import master as our_master
from vast_intercept.mitm.saving import match_asked_urls

_COMMANDS = "collections.abc.Generator[mitmproxy.proxy.commands.Command, typing.Any, {}]"
_NOTHING = _COMMANDS.format("NoneType")
_CONTEXT = "context: mitmproxy.proxy.context.Context"
_ANY_EVENT = "event: mitmproxy.proxy.events.Event"

#: What is overridden or called that no document names.
SIGNATURES: dict[Callable[..., Any], str] = {
    http_layers.HttpLayer.__init__: f"(self, {_CONTEXT}, mode: {http_layers.__name__}.HTTPMode)",
    http_layers.HttpLayer.make_stream: f"(self, stream_id: int) -> {_NOTHING}",
    http_layers.HttpLayer.event_to_child: (
        f"(self, child: mitmproxy.proxy.layer.Layer | {http_layers.__name__}.HttpStream,"
        f" {_ANY_EVENT}) -> {_NOTHING}"
    ),
    http_layers.HttpLayer._handle_event: f"(self, {_ANY_EVENT})",
    http_layers.HttpStream.__init__: f"(self, {_CONTEXT}, stream_id: int) -> None",
    http_layers.HttpStream.state_wait_for_request_headers: (
        f"(self, event: {http_layers.__name__}._events.RequestHeaders) -> {_NOTHING}"
    ),
    http_layers.HttpStream.state_consume_request_body: f"(self, {_ANY_EVENT}) -> {_NOTHING}",
    _http1.Http1Server.__init__: f"(self, {_CONTEXT})",
    _http1.Http1Server.read_headers: (
        f"(self, event: mitmproxy.proxy.events.ConnectionEvent) -> {_NOTHING}"
    ),
    _http1.Http1Server.read_body: f"(self, {_ANY_EVENT}) -> {_NOTHING}",
    _http1.Http1Server.wait: f"(self, {_ANY_EVENT}) -> {_NOTHING}",
    _http1.Http1Server.send: (
        f"(self, event: {http_layers.__name__}._base.HttpEvent) -> {_NOTHING}"
    ),
    _http2.Http2Server.__init__: f"(self, {_CONTEXT})",
    _http2.Http2Server._handle_event: f"(self, {_ANY_EVENT}) -> {_NOTHING}",
    _http2.Http2Server.handle_h2_event: (
        f"(self, event: h2.events.Event) -> {_COMMANDS.format('bool')}"
    ),
    _http_h2.BufferedH2Connection.__init__: "(self, config: h2.config.H2Configuration)",
    _http_h2.BufferedH2Connection.send_data: (
        "(self, stream_id: int, data: bytes, end_stream: bool = False, pad_length: None = None)"
        " -> None"
    ),
    _http_h2.BufferedH2Connection.receive_data: "(self, data: bytes)",
    tls_layers.ClientTLSLayer.receive_handshake_data: (
        f"(self, data: bytes) -> {_COMMANDS.format('tuple[bool, str | None]')}"
    ),
    serverplayback.ServerPlayback._hash: (
        "(self, flow: mitmproxy.http.HTTPFlow) -> collections.abc.Hashable"
    ),
    flow.Flow.wait_for_resume: "(self)",
    clientplayback.ReplayHandler.__init__: (
        "(self, flow: 'http.HTTPFlow', options: 'Options') -> 'None'"
    ),
}


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_what_is_overridden_takes_and_gives_what_it_did(function: Callable[..., Any]) -> None:
    assert str(inspect.signature(function)) == SIGNATURES[function]


# --- addons (M55, M61) ----------------------------------------------------------------------------


@contextmanager
def made[M: master.Master](kind: Callable[[options.Options], M]) -> Iterator[M]:
    """A master of mitmproxy's that does not run."""
    found = kind(options.Options())
    try:
        yield found
    finally:
        found._legacy_log_events.uninstall()


async def test_addons_come_and_go_through_what_the_manager_had() -> None:
    with made(master.Master) as one:
        assert set(vars(one.addons)) == {"lookup", "chain", "master"}
    public = {name for name in vars(AddonManager) if not name.startswith("_")}
    assert public == {
        *("clear", "get", "register", "add", "remove", "handle_lifecycle"),
        *("invoke_addon", "invoke_addon_sync", "trigger_event", "trigger"),
    }


async def test_no_addon_of_mitmproxys_gets_a_hook_later() -> None:
    with made(DumpMaster) as one:
        for addon in one.addons.chain:
            assert not set(vars(addon)) & set(hooks.all_hooks), addon


async def test_the_chain_is_the_order_of_hooks_and_may_be_changed() -> None:
    class Said:
        def __init__(self, name: str) -> None:
            self.name = name

        def running(self) -> None:
            said.append(self.name)

    said: list[str] = []
    with made(master.Master) as one:
        ours = Said("ours")
        one.addons.add(Said("first"), Said("proxyauth"), ours)
        our_master.put_first(one, ours)
        await one.addons.trigger_event(hooks.RunningHook())
        assert said == ["first", "proxyauth", "ours"]  # right behind the check of who may use it
        said.clear()
        one.addons.remove(one.addons.get("proxyauth"))
        our_master.put_first(one, ours)
        await one.addons.trigger_event(hooks.RunningHook())
        assert said == ["ours", "first"]
    with made(DumpMaster) as one:
        assert type(one.addons.get("proxyauth")) is proxyauth.ProxyAuth


async def test_an_object_that_is_no_addon_may_have_commands() -> None:
    class Holder:
        @command.command("a.command")  # type: ignore[untyped-decorator]
        def call(self) -> str:
            """Say something."""
            return "said"

    with made(master.Master) as one:
        our_master.add_commands(Holder())
        assert one.commands.call("a.command") == "said"


async def test_a_master_can_be_told_to_exit_twice() -> None:
    class Busy:
        async def done(self) -> None:
            assert our_master.is_exiting()
            again = asyncio.create_task(our_master.asked_to_exit_again())
            await asyncio.sleep(0)
            ctx.master.shutdown()
            await again
            ended.append(True)

    ended: list[bool] = []
    with made(master.Master) as one:
        one.addons.add(Busy())
        running = asyncio.create_task(one.run())
        await asyncio.sleep(0)
        assert not our_master.is_exiting()
        one.shutdown()
        await asyncio.wait_for(running, 10)
    assert ended == [True]


async def test_an_addon_that_was_told_of_no_option_is_told_of_all() -> None:
    class Told:
        def configure(self, updated: set[str]) -> None:
            updates.append(updated)

    updates: list[set[str]] = []
    with made(master.Master) as one:
        told = Told()
        one.addons.add(told)
        assert updates == []
        our_master.configure(one, told)
        assert updates == [set(one.options.keys())]


# --- connections (M57, M58, M63, M30, M64) --------------------------------------------------------


@asynccontextmanager
async def listening(*addons: Any) -> AsyncIterator[int]:
    """mitmproxy's proxy, and the port that it listens on."""
    with taddons.context(*default_addons(), *addons, loadcore=False) as context:
        context.options.update(listen_host="127.0.0.1", listen_port=0, mode=["regular"])
        server = context.master.addons.get("proxyserver")
        assert await server.setup_servers()
        server.running()
        [(host, port)] = sockets.listening()
        assert host == "127.0.0.1"
        try:
            yield port
        finally:
            context.options.update(server=False)
            assert await server.setup_servers()


async def ask(port: int) -> bytes:
    """Sends a request through the proxy, and reads until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET http://a.test/ HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


class Answering:
    """Answers each request, and notes what is there of its connection."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.reader: object = None
        self.gone = asyncio.Event()

    def client_connected(self, client: Client) -> None:
        handler = sockets.handler_of(client)
        assert handler
        assert isinstance(handler.transports[client].reader, asyncio.StreamReader)
        assert isinstance(handler.transports[client].writer, asyncio.StreamWriter)
        assert handler.max_conns[("a.test", 80)]._value == 5
        sockets.read_in_slices(client)
        self.reader = handler.transports[client].reader
        sockets.allow_connections(client, ("b.test", 80), 70)
        assert handler.max_conns[("b.test", 80)]._value == 70

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        handler = sockets.handler_of(flow.client_conn)
        assert handler
        assert handler.transports[flow.client_conn].reader is self.reader
        other_addons.after_others(flow, lambda: self.said.append("after others"))
        assert sockets.unsent_bytes() == 0

    def request(self, flow: http.HTTPFlow) -> None:
        self.said.append("request")
        flow.response = http.Response.make(200, b"said")

    def client_disconnected(self, client: Client) -> None:
        assert sockets.handler_of(client)
        self.gone.set()


class Later:
    """An addon after it."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        await asyncio.sleep(0)
        self.said.append("later addon")

    def update(self, flows: list[flow.Flow]) -> None:
        self.said.append("update")


async def test_a_connection_is_found_and_its_hooks_are_waited_for() -> None:
    addon = Answering()
    async with listening(addon, Later(addon.said)) as port:
        answer = await ask(port)
        await asyncio.wait_for(addon.gone.wait(), 10)
    assert answer.endswith(b"\r\n\r\nsaid")
    assert addon.said[:4] == ["later addon", "update", "after others", "request"]


async def test_a_reader_in_its_place_is_the_one_that_is_read() -> None:
    class Counting(Answering):
        def client_connected(self, client: Client) -> None:
            super().client_connected(client)
            inner: Any = self.reader
            read = inner.read

            async def counting(most: int) -> bytes:
                self.said.append("read")
                return bytes(await read(most))

            inner.read = counting

    addon = Counting()
    async with listening(addon) as port:
        await ask(port)
    assert "read" in addon.said


async def test_its_servers_can_stop_accepting_and_begin_again() -> None:
    room = False
    addon = Answering()
    async with listening(addon) as port:
        pausing = sockets.Accepting(lambda: room)
        pausing.pause()
        assert pausing._paused
        asking = asyncio.create_task(ask(port))
        await asyncio.sleep(3 * sockets._LOOK_AGAIN)
        assert addon.reader is None
        room = True
        assert (await asking).endswith(b"said")


async def test_a_replay_waits_for_the_flow_too() -> None:
    said: list[str] = []
    with taddons.context() as context:
        replayed = tflow.tflow()
        other_addons.after_others(replayed, lambda: said.append("resumed"))
        handler = clientplayback.ReplayHandler(replayed, context.options)
        await handler.handle_hook(HttpRequestHook(replayed))
    assert said == ["resumed"]


# --- mitmproxy's own addons (M31, M33, M69) -------------------------------------------------------


async def test_addons_say_whether_they_change_or_hold_an_answer() -> None:
    with taddons.context(modifybody.ModifyBody(), intercept.Intercept()) as context:
        answered = tflow.tflow(resp=True)
        assert not other_addons.change_answers(answered)
        context.options.update(modify_body=["/~s/a/b"])
        assert other_addons.change_answers(answered)
        context.options.update(modify_body=[], intercept="~s", intercept_active=True)
        assert other_addons.change_answers(answered)


async def test_the_loader_of_scripts_has_their_addons(tmp_path: Path) -> None:
    path = tmp_path / "a_script.py"
    path.write_text("def response(flow): pass\n")
    with taddons.context() as context:
        loader = script.ScriptLoader()
        context.master.addons.add(loader)
        assert not other_addons.scripts_see_answers()
        loader.addons.append(script.Script(str(path), reload=False))
        assert other_addons.scripts_see_answers()


async def test_server_replay_compares_what_its_hash_is_made_of() -> None:
    with taddons.context(serverplayback.ServerPlayback()) as context:
        playback = context.master.addons.get("serverplayback")
        match_asked_urls(lambda each: each.metadata.get("asked"))
        recorded, asked = tflow.tflow(resp=True), tflow.tflow()
        recorded.request.host, asked.request.host = "vast.test", "openai.test"
        recorded.metadata["asked"] = asked.request.url
        playback.load_flows([recorded])
        assert playback.next_flow(asked) is recorded


class AnsweringReplays:
    """Answers each request once its head is there."""

    def __init__(self) -> None:
        self.called: list[tuple[str, bool, str | None]] = []
        self.streams = False

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Called for a replay as for an app's request."""
        self.called.append(("requestheaders", flow.live is True, flow.is_replay))
        flow.request.stream = self.streams
        flow.response = http.Response.make(200, b"here")

    def response(self, flow: http.HTTPFlow) -> None:
        """Called before the replay has ended."""
        self.called.append(("response", flow.live is True, flow.is_replay))


async def test_a_flow_is_sent_with_all_hooks_and_ends_with_its_answer() -> None:
    with taddons.context(proxyserver.Proxyserver(), answering := AnsweringReplays()):
        sent = tflow.tflow(err=True)
        sent.live = False
        await replaying.replay(sent)
    assert sent.response
    assert sent.response.content == b"here"
    assert sent.error is None
    assert answering.called == [(name, True, "request") for name in ("requestheaders", "response")]


async def test_a_flow_over_which_mitmproxy_crashes_ends_without_an_answer() -> None:
    with taddons.context(proxyserver.Proxyserver(), answering := AnsweringReplays()):
        answering.streams = True  # mitmproxy raises NotImplementedError (M31)
        async with asyncio.timeout(5):
            await replaying.replay(tflow.tflow())
    assert [name for name, *_ in answering.called] == ["requestheaders"]


async def test_a_replay_that_is_cancelled_closes_its_connection() -> None:
    come, left = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        come.set()
        await reader.read()
        left.set()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        sent = tflow.tflow()
        sent.request.host, sent.request.port = server.sockets[0].getsockname()
        with taddons.context(proxyserver.Proxyserver()):
            task = asyncio.create_task(replaying.replay(sent))
            async with asyncio.timeout(5):
                await come.wait()
                task.cancel()
                await left.wait()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert sent.response is None


# --- interfaces and programs (M59, M62) -----------------------------------------------------------


async def test_only_interfaces_have_a_list_and_only_mitmweb_a_page() -> None:
    with made(DumpMaster):
        assert our_master.list_of_flows() is None
        assert our_master.page_url() is None
        assert not our_master.is_watched()
    with made(WebMaster) as web:
        assert our_master.list_of_flows() is web.view
        assert str(our_master.page_url()).startswith("http://")
        assert not our_master.is_watched()
        opened: Any = object()
        web_app.ClientConnection.connections.add(opened)
        try:
            assert our_master.is_watched()
        finally:
            web_app.ClientConnection.connections.discard(opened)
        programs.transform_pages(web, OutputTransform)
        assert web.app.transforms[0] is OutputTransform
    # Read rather than imported: its toolkit warns whoever looks through Python's modules.
    console = (Path(master.__file__).parent / "tools" / "console" / "master.py").read_text()
    assert "self.view: view.View = view.View()" in console
    assert "web_url" not in console


def test_the_addons_of_the_leaner_master_are_there() -> None:
    assert {type(each).__name__ for each in default_addons()} >= programs._NEEDED


async def test_an_update_has_the_list_show_a_flow_anew() -> None:
    with made(WebMaster) as web:
        shown = tflow.tflow()
        web.view.add([shown])
        updated: list[flow.Flow] = []

        def see(flow: flow.Flow) -> None:
            updated.append(flow)

        web.view.sig_view_update.connect(see)
        our_master.show_anew([shown])
        assert updated == [shown]


@pytest.mark.parametrize("kind", [http.RequestData, http.ResponseData])
def test_a_message_is_checked_for_types_alone(kind: type[http.MessageData]) -> None:
    simple = {bytes, str, int, float, type(None), http.Headers}
    for each in dataclasses.fields(kind):
        declared = each.type
        assert isinstance(declared, type | types.UnionType), each
        assert {declared, *get_args(declared)} & simple, each
        assert set(get_args(declared)) <= simple, each
    source = inspect.getsource(http.MessageData)
    assert "if __debug__:\n\n        def __post_init__(self):" in source
    assert source.count("typecheck.check_option_type") == 1


def test_a_wrong_type_is_refused_each_time_and_a_right_one_looked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked: list[str] = []
    monkeypatch.setattr(http.MessageData, "__post_init__", http.MessageData.__post_init__)
    monkeypatch.setattr(direct_hooks, "_checked", set())
    monkeypatch.setattr(typecheck, "check_option_type", _noting(checked, typecheck))
    direct_hooks.check_types_once()
    http.Response.make(200)
    once = len(checked)
    assert set(checked) == {each.name for each in dataclasses.fields(http.ResponseData)}
    http.Response.make(200)
    assert len(checked) == once
    for _ in range(2):
        with pytest.raises(TypeError, match="status_code"):
            http.Response(b"", "200", b"", http.Headers(), b"", None, 0, 0)  # type: ignore[arg-type]


def _noting(noted: list[str], module: types.ModuleType) -> Callable[..., None]:
    check: Callable[..., None] = module.check_option_type

    def note(name: str, *rest: object) -> None:
        noted.append(name)
        check(name, *rest)

    return note


# --- the log (M60) --------------------------------------------------------------------------------


async def test_the_terminals_log_has_a_formatter_that_can_be_changed() -> None:
    with made(master.Master) as one:
        assert our_master.terminal_handler() is None
        one.addons.add(termlog.TermLog())
        handler = our_master.terminal_handler()
        assert handler
        assert type(our_master.own_formatter(handler)) is type(handler.formatter)
        one.addons.get("termlog").uninstall()


async def test_a_line_is_read_by_others_than_the_handler_of_the_deprecated_hook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with made(master.Master) as one:
        theirs = one._legacy_log_events
        assert type(theirs) is LegacyLogEvents
        monkeypatch.setattr(logging.getLogger(), "handlers", [theirs])
        assert not our_master.is_read(logging.ERROR)
        reader = logging.NullHandler(logging.WARNING)
        monkeypatch.setattr(logging.getLogger(), "handlers", [theirs, reader])
        assert not our_master.is_read(logging.INFO)
        assert our_master.is_read(logging.WARNING)


def test_a_refused_certificate_is_logged_in_these_words() -> None:
    source = inspect.getsource(tls_layers.ClientTLSLayer.on_handshake_error)
    assert 'f"Client TLS handshake failed. {err}"' in source
    assert 'err = f"The client ' in source


# --- borrowed (M56) -------------------------------------------------------------------------------


def test_what_is_borrowed_does_what_it_did() -> None:
    assert borrowed.is_valid_host("a.test")
    assert not borrowed.is_valid_host("a test")
    assert borrowed.hostport("https", "a.test", 443) == "a.test"
    assert borrowed.hostport("https", "a.test", 444) == "a.test:444"
    assert borrowed.parse_authority(b"a.test:80", check=True) == ("a.test", 80)
    with pytest.raises(ValueError, match=r"^$"):
        borrowed.parse_authority(b"a test:80", check=True)
    assert borrowed.parse_url("https://a.test/b?c") == (b"https", b"a.test", 443, b"/b?c")
    assert borrowed.format_address(("::1", 80, 0, 0)) == "[::1]:80"
    assert borrowed.parse_size("64m") == 64 * 1024 * 1024
    assert borrowed.encode(b"a", "identity") == b"a"
