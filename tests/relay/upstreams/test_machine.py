"""A machine of one's own as an upstream: its key, its certificate, and what its errors say."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from msgspec.structs import replace

from tests.fixtures.prepared import prepared
from vast_intercept.config import Config, Machine, UpstreamKind, load_config
from vast_intercept.config.endpoints import Endpoint
from vast_intercept.listed_operations.listed_call import Form
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.operations import Operation
from vast_intercept.relay.failures import AttemptFailed
from vast_intercept.relay.http_client import UpstreamProxy
from vast_intercept.relay.progress import Progress
from vast_intercept.relay.upstreams.all import Upstreams
from vast_intercept.relay.upstreams.base import Attempt, UpstreamAnswer, UpstreamRequest
from vast_intercept.secret import Secret

from .console import Console, running_console

ROOT = "/static/jvastai_root.cer"
KEY = "box-0123456789abcdefghijklmnopqrstuvwxyz"
BODY = b'{"model":"","messages":[]}'


@dataclass
class Box:
    """The machine: what it answers, and what it was sent."""

    url: str = ""
    status: int = 200
    body: bytes = b"{}"
    received: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append((request.path_qs, headers, await request.read()))
        return web.Response(status=self.status, body=self.body, content_type="application/json")


@asynccontextmanager
async def running_box(tls: ssl.SSLContext | None = None) -> AsyncIterator[Box]:
    box = Box()
    runner = web.ServerRunner(web.Server(box.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    scheme = "https" if tls else "http"
    box.url = f"{scheme}://localhost:{runner.addresses[0][1]}"
    try:
        yield box
    finally:
        await runner.cleanup()


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    """A machine on this computer's loopback, over plain HTTP."""
    async with running_box() as box:
        yield box


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    async with running_console() as console:
        yield console


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def server_context(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*(names or ("localhost",))).configure_cert(tls)
    return tls


def config_for(box: Box, **more: Any) -> Config:
    machine = Machine(url=box.url, **({"api_key": Secret(KEY)} | more))
    endpoint = Endpoint(name="my-box", machine=machine)
    return replace(load_config(None, {}), known_endpoints={"my-box": endpoint})


type Send = Callable[..., Awaitable[UpstreamAnswer]]


@pytest.fixture
async def send(tmp_path: Path) -> AsyncIterator[Send]:
    """Sends one attempt at `my-box` of a configuration."""
    upstreams = Upstreams(tmp_path / "confdir", UpstreamProxy())
    yield partial(attempt, upstreams)
    await upstreams.close()


async def attempt(
    upstreams: Upstreams,
    config: Config,
    operation: Operation = Operation.CHAT_COMPLETIONS,
    form: Form | None = None,
) -> UpstreamAnswer:
    request = UpstreamRequest(
        Progress(prepared(config=config)),
        operation,
        (BODY,),
        cost=1,
        stream=False,
        original=b"",
        accept="application/json",
        form=form,
    )
    machine = upstreams.by_kind[UpstreamKind.MACHINE]
    return await machine.send(Attempt(request, "my-box", lambda _: None))


async def explained(answer: UpstreamAnswer) -> ApiError:
    return answer.explain(answer.status, await answer.read())


async def test_a_machine_gets_the_call_with_its_own_key(box: Box, send: Send) -> None:
    answer = await send(config_for(box))
    assert (answer.status, await answer.read()) == (200, b"{}")
    ((path, headers, body),) = box.received
    assert (path, body) == ("/v1/chat/completions", BODY)
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-type"] == "application/json"


async def test_without_a_key_no_header_is_sent_for_one(box: Box, send: Send) -> None:
    await send(config_for(box, api_key=None))
    ((_, headers, _),) = box.received
    assert "authorization" not in headers


async def test_a_machine_on_this_computer_is_reached_without_a_proxy(
    box: Box, tmp_path: Path
) -> None:
    proxy = UpstreamProxy()
    proxy.use("http://127.0.0.1:1", None)
    upstreams = Upstreams(tmp_path, proxy)
    assert (await attempt(upstreams, config_for(box))).status == 200
    with pytest.raises(AttemptFailed) as failed:
        await attempt(upstreams, config_for(Box(url="http://203.0.113.7:1")))
    assert "Cannot connect to the proxy" in failed.value.error.message
    await upstreams.close()


async def test_an_upload_goes_as_a_form(box: Box, send: Send) -> None:
    form = Form("multipart/form-data; boundary=x", (b"--x", b"--x--"))
    await send(config_for(box), Operation.AUDIO_TRANSCRIPTIONS, form)
    ((path, headers, body),) = box.received
    assert (path, body) == ("/v1/audio/transcriptions", b"--x--x--")
    assert headers["content-type"] == "multipart/form-data; boundary=x"


async def test_a_key_that_is_missing_ends_the_call_before_it_is_sent(box: Box, send: Send) -> None:
    config = config_for(box, api_key=None, api_key_problem="the environment variable X is not set")
    with pytest.raises(ApiError) as refused:
        await send(config)
    error = refused.value
    assert (error.status, error.code) == (500, "machine_key_missing")
    for part in ("'my-box'", "the environment variable X is not set", "endpoints.my-box.api_key"):
        assert part in error.message
    assert box.received == []


OPENAI_S = b'{"error":{"message":"%s","type":"t","param":"p","code":null}}'

ANSWERS: dict[str, tuple[int, bytes, tuple[int, str], list[str]]] = {
    "a key refused": (
        401,
        b'{"error":"Unauthorized"}',
        (502, "machine_key_refused"),
        ["'my-box' refused its key (status 401: Unauthorized)", "endpoints.my-box.api_key"],
    ),
    "a key refused without a word": (
        403,
        b"",
        (502, "machine_key_refused"),
        ["refused its key (status 403)"],
    ),
    "a path unknown": (
        404,
        b'{"detail":"Not Found"}',
        (502, "operation_not_served"),
        ["'my-box' does not serve chat/completions (status 404)", "endpoints.my-box.url"],
    ),
    "a model unknown": (
        404,
        OPENAI_S % b"The model does not exist.",
        (404, "not_found"),
        ["The model does not exist."],
    ),
    "a redirect": (
        308,
        b"",
        (502, "bad_upstream_answer"),
        ["'my-box' answered with status 308", "https in endpoints.my-box.url?"],
    ),
    "a model being loaded": (
        502,
        b"<html>",
        (502, "bad_gateway"),
        ["'my-box' answered with status 502", "while it loads its model"],
    ),
    "a mistake of the app": (400, OPENAI_S % b"No.", (400, "invalid_request"), ["No."]),
    "an old error of vLLM": (
        404,
        b'{"object":"error","message":"No."}',
        (404, "not_found"),
        ["No."],
    ),
    "silence": (500, b"", (500, "server_error"), ["'my-box' answered with status 500 and no"]),
    "a key repeated": (400, OPENAI_S % KEY.encode(), (400, "invalid_request"), ["***wxyz"]),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_a_machine_answers_is_told_as_the_machine_s(
    box: Box, send: Send, name: str
) -> None:
    box.status, box.body, expected, said = ANSWERS[name]
    error = await explained(await send(config_for(box)))
    assert (error.status, error.code) == expected
    for part in said:
        assert part in error.message
    assert KEY not in error.message
    assert "Vast's" not in error.message


async def test_a_refusal_without_a_key_says_so(box: Box, send: Send) -> None:
    box.status = 401
    error = await explained(await send(config_for(box, api_key=None)))
    assert "was called without a key" in error.message


async def test_a_listed_operation_that_is_not_there_is_a_matter_of_the_list(
    box: Box, send: Send
) -> None:
    box.status, box.body = 404, b""
    error = await explained(await send(config_for(box), Operation.EMBEDDINGS))
    assert (error.code, error.retry) == ("operation_not_served", False)
    assert "endpoints.my-box.serves" in error.message


@pytest.mark.parametrize(
    ("operation", "param", "expected"),
    [
        (Operation.EMBEDDINGS, "body.dimensions", "dimensions"),
        (Operation.EMBEDDINGS, "body", None),
        (Operation.EMBEDDINGS, "input", "input"),
        (Operation.CHAT_COMPLETIONS, "body.messages", "body.messages"),
    ],
)
async def test_a_field_of_a_listed_operation_is_named_as_by_openai(
    box: Box, send: Send, operation: Operation, param: str, expected: str | None
) -> None:
    body = OPENAI_S.replace(b'"p"', f'"{param}"'.encode()) % b"No."
    box.status, box.body = 400, body
    error = await explained(await send(config_for(box), operation))
    assert (error.param, error.code) == (expected, "invalid_request")


async def test_a_machine_that_is_off_is_named(box: Box, send: Send) -> None:
    config = config_for(Box(url="http://127.0.0.1:1"))
    with pytest.raises(AttemptFailed) as failed:
        await send(config)
    error = failed.value.error
    assert error.code == "vast_unreachable"
    assert error.message.startswith("Calling the machine 'my-box' failed. Cannot connect to")


# --- TLS -----------------------------------------------------------------------------------------


async def test_vast_s_root_is_fetched_once_it_is_needed(
    console: Console, ca: trustme.CA, send: Send
) -> None:
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    async with running_box(server_context(ca)) as box:
        config = replace(config_for(box), console_url=console.url)
        for _ in range(2):
            assert (await send(config)).status == 200
        assert len(box.received) == 2
    assert console.requests == [("GET", ROOT)]


async def test_a_ca_of_one_s_own_needs_no_root_and_no_console(
    ca: trustme.CA, send: Send, tmp_path: Path
) -> None:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with running_box(server_context(ca)) as box:
        config = replace(
            config_for(box), ca_file=tmp_path / "ca.pem", console_url="http://127.0.0.1:1"
        )
        assert (await send(config)).status == 200


async def test_a_certificate_of_somebody_else_s_names_the_machine(
    console: Console, ca: trustme.CA, send: Send
) -> None:
    console.answers[ROOT] = 200, trustme.CA().cert_pem.bytes()
    async with running_box(server_context(ca)) as box:
        with pytest.raises(ApiError) as refused:
            await send(replace(config_for(box), console_url=console.url))
        assert box.received == []
    error = refused.value
    assert (error.code, error.retry) == ("vast_tls_error", False)
    for part in ("the machine 'my-box'", "'localhost' is not trusted", "vast.ca_file"):
        assert part in error.message
    assert "Vast's" not in error.message


async def test_a_certificate_for_another_name_is_refused(
    console: Console, ca: trustme.CA, send: Send
) -> None:
    console.answers[ROOT] = 200, ca.cert_pem.bytes()
    async with running_box(server_context(ca, "203.0.113.7")) as box:
        with pytest.raises(ApiError, match="Hostname mismatch") as refused:
            await send(replace(config_for(box), console_url=console.url))
        assert refused.value.message.endswith(
            "'localhost'. It is another host's: either the address is wrong, or something on the"
            " way answers."
        )
        assert box.received == []


async def test_a_root_that_cannot_be_fetched_is_part_of_the_reason(
    console: Console, ca: trustme.CA, send: Send
) -> None:
    async with running_box(server_context(ca)) as box:
        with pytest.raises(ApiError) as refused:
            await send(replace(config_for(box), console_url=console.url))
    assert "'localhost' is not trusted" in refused.value.message
    assert "If it is of an instance on Vast: Vast's root certificate cannot be" in str(
        refused.value
    )


async def test_a_server_without_tls_behind_https_is_named(box: Box, send: Send) -> None:
    with pytest.raises(ApiError) as refused:
        await send(config_for(Box(url=box.url.replace("http:", "https:"))))
    error = refused.value
    assert (error.code, error.retry) == ("vast_tls_error", False)
    assert error.message.startswith("Calling the machine 'my-box' failed. 'localhost' does not")
    assert "its URL must begin with http." in error.message
