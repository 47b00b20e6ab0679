"""What Vast answers, well or badly, and what reaches the app."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from .. import harness
from ..harness import APP_KEY, ENDPOINT, VAST_KEY, Interceptor, StandIn, error_of, use

URL = "https://api.openai.com/v1/chat/completions"
MESSAGES: Any = [{"role": "user", "content": "hello there"}]


def ask(standin: dict[str, Any] | None = None, **options: Any) -> requests.Response:
    """A whole answer, or the error, of a stand-in that is told what to do."""
    body = {"model": "m", "messages": MESSAGES, **options}
    if standin:
        body["standin"] = standin
    return requests.post(URL, json=body, headers={"authorization": f"Bearer {APP_KEY}"}, timeout=60)


def stream(standin: dict[str, Any]) -> Iterator[Any]:
    """The chunks of a stream, as the openai package sees them."""
    yield from openai.OpenAI(max_retries=0).chat.completions.create(
        model="m", messages=MESSAGES, stream=True, extra_body={"standin": standin}
    )


@pytest.mark.usefixtures("mitmdump")
class TestWhatReachesVast:
    def test_the_body_byte_for_byte_but_for_the_model(self, standin: StandIn) -> None:
        body = (
            b' {"x": {"model": "keep"},\t"model" : "gpt-3.5-turbo",\n"messages": [ {"role":"user",'
            b'"content":"h\xc3\xa9 \\u00e9 \\/ 1e5"} ], "big": 12345678901234567890, "f": 1.10e+2} '
        )
        answer = requests.post(
            URL,
            data=body,
            headers={"authorization": f"Bearer {APP_KEY}", "content-type": "application/json"},
            timeout=30,
        )
        assert answer.status_code == 200
        expected = body.replace(b'"gpt-3.5-turbo"', b'""')
        assert harness.body_of(standin.calls()[0]) == expected

    def test_only_these_headers(self, standin: StandIn) -> None:
        headers = {
            "authorization": f"Bearer {APP_KEY}",
            "x-request-id": "abc-123",
            "cookie": "session=1",
            "openai-organization": "org-1",
            "user-agent": "secret-app/1.0",
            "accept": "application/json",
        }
        answer = requests.post(
            URL, json={"model": "m", "messages": MESSAGES}, headers=headers, timeout=30
        )
        assert answer.headers["x-request-id"] == "abc-123"
        assert answer.json()["id"] == "chatcmpl-abc-123"
        received = {name.lower(): value for name, value in standin.calls()[0]["headers"]}
        assert received.pop("user-agent").startswith("vast-intercept/")
        assert received.pop("host").startswith("localhost:")
        assert int(received.pop("content-length")) > 0
        assert received == {
            "accept": "application/json",
            "authorization": f"Bearer {VAST_KEY}",
            "content-type": "application/json",
            "x-request-id": "abc-123",
        }

    def test_what_vast_does_not_take_is_left_out(self, standin: StandIn) -> None:
        assert ask(suffix="", user="me").status_code == 200
        sent = json.loads(harness.body_of(standin.calls()[0]))
        assert "suffix" not in sent
        assert sent["user"] == "me"

    def test_an_app_that_wants_one_tool_call_gets_one(self, standin: StandIn) -> None:
        tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
        more = {"tools": [tool], "standin": {"tool_calls": 2}}
        for parallel, calls in ((None, 2), (True, 2), (False, 1)):
            answer = ask(parallel_tool_calls=parallel, **more)
            assert len(answer.json()["choices"][0]["message"]["tool_calls"]) == calls
            sent = json.loads(harness.body_of(standin.calls()[-1]))
            assert sent["parallel_tool_calls"] is parallel

    def test_a_route_chooses_the_endpoint(self, standin: StandIn) -> None:
        assert ask(model="gpt-4o-mini").status_code == 200
        assert ask(model="o3").status_code == 200
        assert [call["path"].split("/")[1] for call in standin.calls()] == ["big-one", ENDPOINT]

    def test_a_gzip_body_is_unpacked(self, standin: StandIn) -> None:
        import gzip  # noqa: PLC0415

        body = json.dumps({"model": "m", "messages": MESSAGES}).encode()
        answer = requests.post(
            URL,
            data=gzip.compress(body),
            headers={"content-type": "application/json", "content-encoding": "gzip"},
            timeout=30,
        )
        assert answer.status_code == 200
        assert json.loads(harness.body_of(standin.calls()[0]))["messages"] == MESSAGES

    def test_fifty_megabytes(self, standin: StandIn) -> None:
        text = "x" * 50_000_000
        answer = ask(messages=[{"role": "user", "content": text}])
        assert answer.status_code in {200, 400}  # the stand-in may find the prompt too long
        assert len(standin.calls()) == 1


@pytest.mark.usefixtures("mitmdump")
class TestNothingIsBuffered:
    def test_the_next_chunk_is_made_only_after_the_last_was_seen(self, standin: StandIn) -> None:
        """No clock: the stand-in waits for the word of the client before every chunk."""
        texts = []
        for chunk in stream({"gate": "unbuffered", "chunks": 20}):
            texts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
            standin.open_gate("unbuffered")
        assert texts == [f"w{number} " for number in range(20)]


@pytest.mark.usefixtures("mitmdump")
class TestAnAppThatLeaves:
    def test_in_the_middle_of_a_stream_ends_the_call_to_vast(self, standin: StandIn) -> None:
        chunks = openai.OpenAI().chat.completions.create(
            model="m",
            messages=MESSAGES,
            stream=True,
            extra_body={"standin": {"gate": "leaving", "chunks": 5}},
        )
        next(iter(chunks))
        chunks.close()
        standin.wait_for_calls("cancelled", 1)

    def test_before_the_answer_ends_the_call_to_vast(self, standin: StandIn) -> None:
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.post(
                URL, json={"messages": MESSAGES, "standin": {"fault": "hang"}}, timeout=0.5
            )
        standin.wait_for_calls("cancelled", 1)


# What the stand-in is told, then: status, type and code for the app, and a part of the message.
BAD_WHOLE_ANSWERS = {
    "dropped connection": ({"fault": "drop"}, 502, "vast_disconnected", "closed the connection"),
    "cut in the middle": ({"fault": "cut"}, 502, "vast_disconnected", "broke off"),
    "not HTTP": ({"fault": "garbage"}, 502, "bad_upstream_answer", "HTTP"),
    "wrong content type": ({"fault": "wrong_type"}, 502, "bad_upstream_answer", "text/html"),
    "not JSON": ({"fault": "not_json"}, 502, "bad_upstream_answer", "JSON"),
    "redirect": ({"fault": "redirect"}, 502, "bad_upstream_answer", "302"),
    "HTML page": ({"fault": "html"}, 502, "bad_gateway", "502"),
    "empty 429": ({"status": 429}, 429, "rate_limit_exceeded", "429"),
    "empty 500": ({"status": 500}, 500, "server_error", "500"),
    "empty 401": ({"status": 401}, 502, "vast_key_refused", "VAST_API_KEY"),
    "empty 403": ({"status": 403}, 502, "vast_key_refused", "VAST_API_KEY"),
    "error as a text": (
        {"status": 422, "body": '{"error": "no such thing"}'},
        422,
        "unprocessable_entity",
        "no such thing",
    ),
    "detail": (
        {"status": 404, "body": '{"detail":"Not Found"}'},
        502,
        "operation_not_served",
        "does not serve chat/completions",
    ),
    "numeric code": (
        {"status": 400, "body": '{"error":{"message":"bad","type":"X","param":"n","code":400}}'},
        400,
        "invalid_request",
        "bad",
    ),
    "503": ({"status": 503, "body": "busy"}, 503, "service_unavailable", "503"),
}


@pytest.mark.usefixtures("mitmdump")
class TestBadAnswers:
    @pytest.mark.parametrize(
        ("standin_does", "status", "code", "message"),
        BAD_WHOLE_ANSWERS.values(),
        ids=BAD_WHOLE_ANSWERS.keys(),
    )
    def test_a_whole_one_becomes_one_error_of_openais_shape(
        self, standin_does: dict[str, Any], status: int, code: str, message: str
    ) -> None:
        answer = ask(standin_does)
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (status, code)
        assert message in error["message"]

    def test_wrong_length_does_not_pass_for_a_whole_answer(self) -> None:
        assert error_of(ask({"fault": "wrong_length"}))["code"] == "bad_upstream_answer"

    def test_compressed_answers_are_unpacked(self) -> None:
        assert ask({"fault": "compressed"}).json()["object"] == "chat.completion"

    def test_vasts_key_in_vasts_message_is_masked(self) -> None:
        answer = ask({"status": 400, "body": json.dumps({"error": f"bad key {VAST_KEY}"})})
        assert VAST_KEY not in answer.text
        assert f"***{VAST_KEY[-4:]}" in answer.text

    def test_an_error_of_a_megabyte_keeps_its_beginning(self) -> None:
        body = json.dumps({"error": {"message": "Input should be a list, not " + "x" * 1_000_000}})
        answer = ask({"status": 400, "body": body})
        assert answer.status_code == 400
        assert error_of(answer)["message"].startswith("Input should be a list, not xxx")

    def test_retry_after_reaches_the_app(self) -> None:
        assert ask({"status": 429, "headers": {"retry-after": "7"}}).headers["retry-after"] == "7"

    @pytest.mark.parametrize("fault", ["cut", "cut_mid_event", "end_early"])
    def test_a_cut_stream_ends_with_an_error_that_sdks_raise(self, fault: str) -> None:
        texts = []
        with pytest.raises(openai.APIError) as raised:  # noqa: PT012
            for chunk in stream({"fault": fault, "chunks": 20, "after": 5}):
                texts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        assert raised.value.code == "vast_disconnected"
        # The first chunk is the role's.
        assert texts == [f"w{number} " for number in range(len(texts))]
        assert 4 <= len(texts) <= 5

    def test_an_engine_that_died_says_so_in_its_own_words(self) -> None:
        with pytest.raises(openai.APIError, match="EngineCore"):
            list(stream({"fault": "engine_dead", "chunks": 20}))

    def test_ten_megabytes_in_one_event(self) -> None:
        texts = [
            choice.delta.content
            for chunk in stream({"fault": "big_event"})
            for choice in chunk.choices
            if choice.delta.content
        ]
        assert max(map(len, texts)) >= 10_000_000

    def test_events_in_pieces_of_seven_bytes(self) -> None:
        texts = [
            choice.delta.content
            for chunk in stream({"fault": "split", "chunks": 10})
            for choice in chunk.choices
            if choice.delta.content
        ]
        assert texts == [f"w{number} " for number in range(10)]

    def test_a_page_instead_of_a_stream(self) -> None:
        with pytest.raises(openai.InternalServerError) as raised:
            list(stream({"fault": "wrong_type"}))
        assert raised.value.code == "bad_upstream_answer"


UNREACHABLE = {
    "nothing listens": (
        lambda: f"https://localhost:{harness.unused_port()}",
        "vast_unreachable",
        None,
    ),
    "name does not resolve": (lambda: "https://no-such-host.invalid", "vast_unreachable", None),
}


class TestUnreachable:
    @pytest.mark.parametrize(("url", "code", "retry"), UNREACHABLE.values(), ids=UNREACHABLE.keys())
    def test_vast(
        self,
        url: Any,
        code: str,
        retry: str | None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        config = {"vast": {"endpoint": ENDPOINT, "openai_url": url(), "timeout": {"total": 2}}}
        with harness.intercept(tmp_path, config) as interceptor:
            use(interceptor, monkeypatch)
            answer = ask()
        assert answer.status_code == 502
        assert error_of(answer)["code"] == code
        assert answer.headers.get("x-should-retry") == retry

    def test_a_certificate_that_is_not_trusted(
        self, standin: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = {"vast": harness.vast_section(standin)}  # without the test's CA
        with harness.intercept(tmp_path, config) as interceptor:
            use(interceptor, monkeypatch)
            answer = ask()
        assert answer.status_code == 502
        assert error_of(answer)["code"] == "vast_tls_error"
        assert "vast.ca_file" in error_of(answer)["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert standin.calls() == []

    def test_a_key_that_vast_refuses(
        self,
        vast_section: dict[str, Any],
        standin: StandIn,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        config = {"vast": vast_section}
        environ = {"VAST_API_KEY": "vast-of-someone-else-0123456789"}
        with harness.intercept(tmp_path, config, environ=environ) as interceptor:
            use(interceptor, monkeypatch)
            with pytest.raises(openai.InternalServerError) as raised:
                openai.OpenAI().chat.completions.create(model="m", messages=MESSAGES)
        assert raised.value.code == "vast_key_refused"
        assert "VAST_API_KEY" in raised.value.message
        assert len(standin.calls()) == 1  # not retried


@pytest.mark.usefixtures("mitmdump")
class TestExceptionsOfTheOpenAIPackage:
    def test_not_found(self) -> None:
        with pytest.raises(openai.NotFoundError) as raised:
            openai.OpenAI().embeddings.create(model="m", input="x")
        assert raised.value.code == "unsupported_endpoint"
        assert "unsupported: {embeddings: pass}" in raised.value.message

    def test_bad_request_with_its_place(self) -> None:
        content: Any = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}]
        with pytest.raises(openai.BadRequestError) as raised:
            openai.OpenAI().chat.completions.create(
                model="m", messages=[{"role": "user", "content": content}]
            )
        assert raised.value.code == "unsupported_content"
        assert raised.value.param == "messages[0].content[1]"

    def test_rate_limit_is_retried_and_raised(self, standin: StandIn) -> None:
        client = openai.OpenAI(max_retries=1)
        with pytest.raises(openai.RateLimitError) as raised:
            client.chat.completions.create(
                model="m",
                messages=MESSAGES,
                extra_body={"standin": {"status": 429, "headers": {"retry-after": "0"}}},
            )
        assert raised.value.code == "rate_limit_exceeded"
        ids = {dict(call["headers"])["x-request-id"] for call in standin.calls()}
        assert len(ids) == 2

    def test_internal_server_error(self) -> None:
        with pytest.raises(openai.InternalServerError):
            openai.OpenAI(max_retries=0).chat.completions.create(
                model="m", messages=MESSAGES, extra_body={"standin": {"status": 500}}
            )

    def test_connection_error_when_nobody_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{harness.unused_port()}")
        with pytest.raises(openai.APIConnectionError):
            openai.OpenAI(max_retries=0).chat.completions.create(model="m", messages=MESSAGES)


def test_one_connection_to_vast_serves_many_apps(mitmdump: Interceptor, standin: StandIn) -> None:
    assert mitmdump.port
    before = standin.stats()["connections"]
    for _ in range(10):
        assert ask().status_code == 200  # a new connection from the app each time
    assert standin.stats()["connections"] - before <= 2
