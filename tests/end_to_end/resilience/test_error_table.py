"""The table of errors in docs/errors.md, row by row: what fails, and what the app gets."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from vast_intercept.openai_api.errors import ApiError
from vast_intercept.vast_api.router import read_route

from ... import harness
from ...fixtures.workers import Intercepting, serverless
from ...harness import ENDPOINT, PROJECT, Certificates, Interceptor, StandIn, use
from .apps import TEXT, App, Reply, ask

SECTION = "What Vast, a worker or vLLM says"


def documented_rows() -> dict[str, list[str]]:
    """The table: what happened, and the other cells."""
    text = (PROJECT / "docs" / "errors.md").read_text("utf-8").partition(SECTION)[2]
    lines = text.split("\n\n")[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {row[0]: row[1:] for row in rows}


ROWS = documented_rows()

type Case = Callable[[StandIn, Intercepting], Reply]
CASES: dict[str, Case] = {}

# Attempts end after a second; silence is noticed sooner.
IMPATIENT = {"total": 1.2, "first_byte": 0.4, "between_bytes": 0.4, "queue": 0.3}


def case(*happened: str) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
    """Says which row of the table a function shows."""

    def register(function: Callable[..., Reply]) -> Callable[..., Reply]:
        for each in happened:
            CASES[each] = function
        return function

    return register


@pytest.fixture(scope="module")
def _impatient(
    _vast: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interceptor]:
    config = {
        "vast": serverless(_vast, certs.ca, timeout=IMPATIENT),
        "endpoints": {"big-one": {"serves": ["embeddings", "rerank"]}},  # only the latter
    }
    with harness.intercept(tmp_path_factory.mktemp("impatient"), config) as interceptor:
        yield interceptor


@pytest.fixture
def impatient(
    intercepting: Intercepting, _impatient: Interceptor, monkeypatch: pytest.MonkeyPatch
) -> Intercepting:
    """Where nothing special is wanted, all rows share an interceptor."""

    def start(*options: str, **more: Any) -> Interceptor:
        if options or more:
            return intercepting(*options, **{"timeout": IMPATIENT, **more})
        use(_impatient, monkeypatch)
        assert ask().text == TEXT  # the rows before are forgiven
        return _impatient

    return start


def all_workers(vast: StandIn, state: str, **options: Any) -> None:
    for worker in vast.workers():
        vast.set_worker(worker["number"], state, **options)


def answered_by_vllm(**told: Any) -> Case:
    """Has vLLM answer what the test says."""

    def show(vast: StandIn, start: Intercepting) -> Reply:
        del vast
        start()
        return ask(standin=told)

    return show


def answered_by_workers(**options: Any) -> Case:
    """Has all workers answer this themselves."""

    def show(vast: StandIn, start: Intercepting) -> Reply:
        start()
        all_workers(vast, "refusing", **options)
        return ask()

    return show


CASES["a worker does not understand the call: 422"] = answered_by_workers(
    status=422, body=json.dumps({"auth_data": {"signature": "missing parameter"}})
)


@case(
    "a worker refuses a field of a call beyond text, such as a file of a type that it does not"
    " know: 422"
)
def _refused_field(vast: StandIn, start: Intercepting) -> Reply:
    start()
    said = json.dumps({"payload": {"filename": "unsupported file type 'xyz'"}})
    all_workers(vast, "refusing", status=422, body=said)
    return ask(url="https://api.openai.com/v1/rerank", query="hello", documents=["a"])


CASES["a worker refuses the signature: 401, empty"] = answered_by_workers(status=401)
CASES["a worker has too much to do: 429, empty"] = answered_by_workers(status=429)
CASES["a worker gives up the call: 499, empty"] = answered_by_workers(status=499)
CASES["a worker fails: 500, empty"] = answered_by_workers(status=500)
for status in (408, 502, 503, 504):
    CASES[str(status)] = answered_by_workers(status=status)
CASES["a redirect"] = answered_by_workers(
    status=302, headers={"location": "https://example.com/elsewhere"}
)
CASES["an answer that is not JSON"] = answered_by_vllm(fault="not_json")
CASES["a whole answer is cut"] = answered_by_vllm(fault="cut")


@case("vLLM refuses the call: 400")
def _refused(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start()
    return ask(temperature=-1)


@case("the model's chat template refuses the role `developer`: 400")
def _unknown_role(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start()
    said = '{"error":{"message":"Unexpected message role.","type":"BadRequestError","code":400}}'
    messages = [{"role": "developer", "content": "be brief"}]
    return ask(messages=messages, standin={"status": 400, "body": said})


@case(
    "an endpoint does not serve what `endpoints.NAME.serves` lists: 404 of the worker or of its"
    " model server"
)
def _not_served(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start()
    return ask(url="https://api.openai.com/v1/embeddings", input="hello")


@case(
    "an endpoint does not serve chat or text completions: 404 of the worker, of its model server or"
    " of `openai.vast.ai`, without an error of OpenAI's form"
)
def _no_chat(vast: StandIn, start: Intercepting) -> Reply:
    start()
    all_workers(vast, "refusing", status=404, body="404: Not Found")
    return ask()


@case("vLLM finds the prompt too long: 400")
def _too_long(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start()
    return ask(messages=[{"role": "user", "content": "word " * 140_000}])


@case("`openai.vast.ai` refuses the Vast key: 401")
def _openai_key_refused(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start(interface="openai", environ={"VAST_API_KEY": "vast-of-someone-else-0123456789"})
    return ask()


@case("an answer that is too large")
def _too_large(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start("--set", "stream_large_bodies=20k")
    return ask(standin={"chunks": 10_000})


@case("the connection is refused")
def _dead(vast: StandIn, start: Intercepting) -> Reply:
    start()
    all_workers(vast, "dead")
    return ask()


@case("the head of an answer cannot be read: a header above 8 kB, or no HTTP at all")
def _unreadable_head(vast: StandIn, start: Intercepting) -> Reply:
    start()
    reply = ask(standin={"fault": "garbage"})
    assert reply.error["code"] == "bad_upstream_answer"
    vast.forget_calls()
    told = {"status": 200, "body": "{}", "headers": {"x-debug": "x" * 9_000}}
    reply = ask(stream=True, standin=told)
    assert len(vast.calls(path="/v1/chat/completions")) == 1
    return reply


@case("vLLM's engine dies before any text: an error with status 200")
def _engine_dead(vast: StandIn, start: Intercepting) -> Reply:
    start(timeout={"total": 10})
    return ask(stream=True, standin={"fault": "engine_dead", "after": 1})


@case("the connection is dropped before an answer")
def _dropped(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start()
    return ask(standin={"fault": "drop"})


@case("silence before an answer")
def _hung(vast: StandIn, start: Intercepting) -> Reply:
    start()
    all_workers(vast, "hung")
    return ask()


@case("a stream is cut")
def _stream_cut(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start()
    return ask(stream=True, standin={"fault": "cut_mid_event"})


@case("a stream falls silent")
def _stream_stalls(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start()
    return ask(stream=True, standin={"fault": "stall", "chunks": 9})


@case("a certificate that is not trusted")
def _untrusted(vast: StandIn, start: Intercepting, tmp_path: Path) -> Reply:
    other_ca, _, _ = harness.certificate(tmp_path, "localhost")
    del vast
    start(ca_file=str(other_ca))
    return ask()


@case("no worker is ready, for `vast.timeout.queue`")
def _cold(vast: StandIn, start: Intercepting) -> Reply:
    start()
    all_workers(vast, "cold")
    return ask()


@case("the router refuses the endpoint's key, also a newer one")
def _key_refused(vast: StandIn, start: Intercepting) -> Reply:
    start(default_cost=1)
    assert ask().text == TEXT
    vast.new_key(ENDPOINT, hidden=True)
    return ask()


@case("the router's answer is not JSON")
def _route_not_json(vast: StandIn, start: Intercepting) -> Reply:
    start()
    vast.override("route", status=200, body="<html>", times=1_000)
    return ask()


@case("the router names a worker that is not HTTPS")
def _route_not_https(vast: StandIn, start: Intercepting) -> Reply:
    """Routers of this machine may do so, and no other can be had here: the rule by itself."""
    del vast, start
    with pytest.raises(ApiError) as refused:
        read_route(b'{"url": "http://worker:80"}', URL("https://run.vast.ai/route/"), 0)
    error = refused.value
    assert error.retry is False
    return Reply(error.status, {}, error.body(), errors=[json.loads(error.body())["error"]])


@case("the router has no route: 404")
def _route_404(vast: StandIn, start: Intercepting) -> Reply:
    start()
    vast.override("route", status=404, body='{"error": "no such endpoint"}', times=1_000)
    return ask()


@case("the router fails: 500")
def _route_500(vast: StandIn, start: Intercepting) -> Reply:
    start()
    vast.override("route", status=500, body="", times=1_000)
    return ask()


@case("the console refuses the Vast key")
def _account_refused(vast: StandIn, start: Intercepting) -> Reply:
    vast.override("endptjobs", status=401, body='{"error": "no"}', times=1_000)
    start(default_cost=1)
    return ask()


@case("the account has no such endpoint")
def _unknown_endpoint(vast: StandIn, start: Intercepting) -> Reply:
    del vast
    start(endpoint="my-endpiont")
    reply = ask()
    assert "'big-one', 'my-endpoint'" in reply.error["message"]
    return reply


@case("the console's list cannot be read")
def _list_unreadable(vast: StandIn, start: Intercepting) -> Reply:
    vast.override("endptjobs", status=200, body="<html>", times=1_000)
    start(default_cost=1)
    return ask()


@case("Vast's root certificate cannot be fetched")
def _no_root(vast: StandIn, start: Intercepting, certs: Certificates) -> Reply:
    """Without a `ca_file`, the machine's own CAs have to vouch for the console."""
    vast.override("root", status=404, body="", times=1_000)
    start(ca_file=None, environ={"SSL_CERT_FILE": str(certs.ca)})
    return ask()


@case("the endpoint is left alone")
def _left_alone(vast: StandIn, start: Intercepting) -> Reply:
    start(timeout=IMPATIENT | {"total": 20})
    all_workers(vast, "dead")
    apps = [App(ask) for _ in range(4)]
    assert {app.result().error["code"] for app in apps} <= {
        "vast_unreachable",
        "vast_endpoint_down",
    }
    reply = ask()
    assert 1 <= int(reply.headers["retry-after"]) <= 10
    assert reply.headers["x-vast-attempts"] == "0"
    return reply


@case("no answer within `vast.timeout.total`")
def _out_of_time(vast: StandIn, start: Intercepting) -> Reply:
    start(timeout={"total": 0.5})
    all_workers(vast, "hung")
    return ask()


@case("the interceptor is stopped")
def _stopped(vast: StandIn, start: Intercepting) -> Reply:
    interceptor = start(drain=0, timeout={"total": 20})
    all_workers(vast, "hung")
    app = App(ask)
    vast.wait_for_calls("running", path="/v1/chat/completions")
    interceptor.process.terminate()
    reply: Reply = app.result()
    return reply


def test_each_row_has_a_test_and_each_test_a_row() -> None:
    assert set(CASES) == set(ROWS)


@pytest.mark.parametrize("happened", [pytest.param(row, id=row) for row in ROWS])
def test_row(
    happened: str,
    vast: StandIn,
    impatient: Intercepting,
    tmp_path: Path,
    certs: Certificates,
) -> None:
    status, kind, code, message, retried = (cell.strip("`") for cell in ROWS[happened])
    show: Any = CASES[happened]
    fixtures = {"tmp_path": tmp_path, "certs": certs}
    wanted = {name: value for name, value in fixtures.items() if name in show.__annotations__}
    reply = show(vast, impatient, **wanted)
    error = reply.error
    assert set(error) == {"message", "type", "param", "code"}
    assert str(reply.status) == ("200" if status == "in the stream" else status)
    assert (error["type"], error["code"]) == (kind, code)
    if not message.endswith("'s"):  # vLLM's, the worker's
        pattern = ".*".join(re.escape(part.strip()) for part in message.split("..."))
        assert re.match(pattern, error["message"]), error["message"]
    assert harness.VAST_KEY not in reply.body.decode()
    assert not reply.done
    attempts = int(reply.headers.get("x-vast-attempts", "1"))
    if retried == "yes, once":
        assert attempts == 2
    elif retried == "yes":
        assert attempts > 1
    elif happened != "the interceptor is stopped":
        assert attempts <= 1
