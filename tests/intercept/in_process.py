"""The addon within a mitmproxy in this process: its real hooks, its real relay, no proxy in front.

Hooks are called as mitmproxy's connections call them: all addons first, and then whoever waits for
the flow to be resumed.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from mitmproxy import hooks, http
from mitmproxy.addons import default_addons
from mitmproxy.proxy.layers.http import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)
from mitmproxy.proxy.layers.http._events import RequestHeaders
from mitmproxy.test import taddons, tflow, tutils

from vast_intercept.intercept.addon import VastIntercept
from vast_intercept.intercept.call_interceptor import CallInterceptor
from vast_intercept.intercept.settings import Settings
from vast_intercept.mitm import wire

type Hook = (
    HttpRequestHeadersHook
    | HttpRequestHook
    | HttpResponseHeadersHook
    | HttpResponseHook
    | HttpErrorHook
)

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "hello"},
        }
    ],
}


class Upstream:
    """A server that answers every call, and keeps which headers each came with."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """The port that it listens on."""

        async def answer(request: web.BaseRequest) -> web.Response:
            await request.read()
            self.calls.append({name.lower(): value for name, value in request.headers.items()})
            return web.json_response(ANSWER)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        async with TestServer(app) as server:
            assert server.port
            yield server.port


class OtherAddon:
    """An addon after ours: sees what our hooks leave in the flow, and may change it."""

    def __init__(self) -> None:
        #: What other addons, user interfaces and files get of the flow, after each hook of ours.
        self.states: list[str] = []
        self.in_requestheaders: Callable[[http.HTTPFlow], None] = _nothing
        self.in_request: Callable[[http.HTTPFlow], None] = _nothing
        self.in_response: Callable[[http.HTTPFlow], None] = _nothing

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Called after our own hook of this name."""
        self.see(flow)
        self.in_requestheaders(flow)

    def request(self, flow: http.HTTPFlow) -> None:
        """Called after our own hook of this name."""
        self.see(flow)
        self.in_request(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        """Called after our own hook of this name."""
        self.see(flow)
        self.in_response(flow)

    def see(self, flow: http.HTTPFlow) -> None:
        """Keeps all that there is to see of the flow by now."""
        self.states.append(repr(flow.get_state()))


class InProcess:
    """A mitmproxy with the addon, and another addon after it."""

    def __init__(self, master: Any, ours: VastIntercept, other: OtherAddon) -> None:
        self.master = master
        self.other = other
        self.ours = ours
        self.calls = next(each for each in ours.addons if isinstance(each, CallInterceptor))
        self.settings = next(each for each in ours.addons if isinstance(each, Settings))
        self.relay = self.settings._relay
        self.recording = ours.recording

    async def start(self) -> None:
        """mitmproxy has started."""
        await self.master.addons.invoke_addon(self.ours, hooks.RunningHook())

    async def trigger(self, hook: hooks.Hook) -> None:
        """Calls a hook that is none of a flow."""
        await self.master.addons.trigger_event(hook)

    async def begin(self, flow: http.HTTPFlow) -> None:
        """The head of a request has come."""
        await self._call(HttpRequestHeadersHook(flow))

    async def go_on(self, flow: http.HTTPFlow, body: bytes) -> None:
        """The body has come, of which mitmproxy keeps nothing if it passed in pieces."""
        if not flow.request.stream:
            flow.request.data.content = body
        await self._call(HttpRequestHook(flow))

    async def end(self, flow: http.HTTPFlow) -> None:
        """The answer has come, or there is none: the call has ended."""
        if flow.error:
            await self._call(HttpErrorHook(flow))
            return
        if not flow.response:
            flow.response = http.Response.make(200)
        await self._call(HttpResponseHeadersHook(flow))
        await self._call(HttpResponseHook(flow))

    async def _call(self, hook: Hook) -> None:
        await self.master.addons.handle_lifecycle(hook)
        await hook.flow.wait_for_resume()
        self.other.see(hook.flow)

    async def send(self, flow: http.HTTPFlow) -> None:
        """Sends the flow's request, as mitmproxy would, and gives the flow the answer."""
        request = flow.request
        assert request.host == "127.0.0.1"
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            answer = await session.request(
                request.method,
                f"http://{request.host}:{request.port}{request.path}",
                headers=list(request.headers.items()),
                data=request.raw_content,
            )
            flow.response = http.Response.make(
                answer.status, await answer.read(), list(answer.raw_headers)
            )

    def replayed(self) -> http.HTTPFlow:
        """The flow that a command has just had mitmproxy replay, as it is when its turn comes."""
        flow: http.HTTPFlow = self.master.addons.get("clientplayback").queue.get_nowait()
        assert flow.is_replay == "request"
        flow.live = True
        return flow


@asynccontextmanager
async def mitmproxy_with_addon(
    folder: Path,
    *,
    started: bool = True,
    options: Sequence[str] = (),
    confdir: Path | None = None,
    **config: Any,
) -> AsyncIterator[InProcess]:
    """A mitmproxy whose addon has a file with that configuration. `options` are NAME=VALUE.

    mitmproxy's own folder is `confdir`, else `folder`.
    """
    path = folder / "vast.yaml"
    path.write_text(yaml.safe_dump({"inspect": {"port": 0}} | config))
    other = OtherAddon()
    with taddons.context(*default_addons(), loadcore=False) as context:
        context.options.set(
            f"confdir={confdir or folder}", f"vast_config={path}", *options, defer=True
        )
        ours = VastIntercept(of_run=True)
        context.master.addons.add(ours, other)
        # As for a script that mitmproxy has loaded.
        context.master.addons.invoke_addon_sync(
            ours, hooks.ConfigureHook(set(context.options.keys()))
        )
        mitmproxy = InProcess(context.master, ours, other)
        if started:
            await mitmproxy.start()
        try:
            yield mitmproxy
        finally:
            await context.master.addons.invoke_addon(ours, hooks.DoneHook())


def request_to(
    url: str, method: str = "POST", *, headers: dict[str, str], body: bytes = b""
) -> http.HTTPFlow:
    """A flow whose head has come: its body has not."""
    made = http.Request.make(method, url, b"", headers)
    made.headers["content-length"] = str(len(body))
    request = tutils.treq(
        host=made.host,
        port=made.port,
        method=made.data.method,
        scheme=made.data.scheme,
        path=made.data.path,
        headers=made.headers,
        content=None,
    )
    flow = tflow.tflow(req=request)
    flow.client_conn.peername = ("127.0.0.1", 50_000)
    return flow


def sent_on(flow: http.HTTPFlow) -> http.Request:
    """What mitmproxy sends to the provider where the flow shows something else."""
    event = wire.masked_in(flow).sent(RequestHeaders(1, flow.request, end_stream=False))
    assert isinstance(event, RequestHeaders)
    return event.request


def _nothing(flow: http.HTTPFlow) -> None:
    del flow
