"""What apps come back to: conversations that go on, and responses that are asked for again."""

import json
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from .. import harness
from ..harness import APP_KEY, Certificates, Interceptor, StandIn, error_of, use

OTHER_KEY = "sk-other-0123456789abcdefghijklmnopqrstuvwxyz"
URL = "https://api.openai.com/v1/responses"


@pytest.fixture
def client(mitmdump: Interceptor) -> Iterator[openai.OpenAI]:
    """The package as an app has it, with an interceptor that keeps responses in memory."""
    del mitmdump
    with openai.OpenAI(max_retries=0, api_key=APP_KEY) as client:
        yield client


@pytest.fixture
def other(mitmdump: Interceptor) -> Iterator[openai.OpenAI]:
    """The same, with another key."""
    del mitmdump
    with openai.OpenAI(max_retries=0, api_key=OTHER_KEY) as client:
        yield client


def ask(client: openai.OpenAI, text: str, *, stream: bool = False, **more: Any) -> Any:
    """A complete response, whatever way it came."""
    if not stream:
        return client.responses.create(model="gpt-5", input=text, **more)
    with client.responses.stream(model="gpt-5", input=text, **more) as events:
        return events.get_final_response()


def messages(standin: StandIn) -> list[tuple[str, str]]:
    """Role and text of each message of the last call that reached Vast."""
    sent = json.loads(harness.body_of(standin.calls()[-1]))["messages"]
    return [(message["role"], _text(message["content"])) for message in sent]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def code_of(error: openai.APIStatusError) -> tuple[int, str | None, str | None]:
    return error.status_code, error.code, error.param


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_conversation_goes_on(client: openai.OpenAI, standin: StandIn, *, stream: bool) -> None:
    one = ask(client, "first", stream=stream, instructions="Be brief.")
    two = ask(client, "second", stream=stream, previous_response_id=one.id)
    three = ask(client, "third", stream=not stream, previous_response_id=two.id)
    assert two.previous_response_id == one.id
    # Instructions are those of one call.
    assert messages(standin) == [
        ("user", "first"),
        ("assistant", one.output_text),
        ("user", "second"),
        ("assistant", two.output_text),
        ("user", "third"),
    ]
    branch = ask(client, "another second", previous_response_id=one.id)
    assert messages(standin)[2:] == [("user", "another second")]
    assert len({one.id, two.id, three.id, branch.id}) == 4


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_response_is_there_as_it_was_given(client: openai.OpenAI, *, stream: bool) -> None:
    made = ask(client, "hello there", stream=stream, metadata={"a": "b"})
    again = client.responses.retrieve(made.id)
    given = made.to_dict()
    given["output"][0]["content"][0].pop("parsed", None)  # the package's own
    assert again.to_dict() == given
    assert again.metadata == {"a": "b"}
    assert client.responses.delete(made.id) is None
    for gone in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            gone(made.id)
        assert code_of(caught.value) == (404, "response_not_found", None)
        assert f"Response with id '{made.id}' not found." in caught.value.message


def test_the_answer_to_delete_is_openai_s(client: openai.OpenAI) -> None:
    made = ask(client, "hello there")
    url, headers = f"{URL}/{made.id}", {"authorization": f"Bearer {APP_KEY}"}
    head = requests.head(url, headers=headers, timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    deleted = requests.delete(url, headers=headers, timeout=30)
    assert deleted.json() == {"id": made.id, "object": "response", "deleted": True}


def test_what_is_stored_is_for_the_app_that_made_it(
    client: openai.OpenAI, other: openai.OpenAI
) -> None:
    made = ask(client, "a secret")
    for method in ("retrieve", "delete", "cancel"):
        with pytest.raises(openai.NotFoundError):
            getattr(other.responses, method)(made.id)
    with pytest.raises(openai.NotFoundError):
        other.responses.input_items.list(made.id)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(other, "go on", previous_response_id=made.id)
    assert code_of(caught.value) == (400, "previous_response_not_found", "previous_response_id")
    item: Any = {"type": "item_reference", "id": made.output[0].id}
    with pytest.raises(openai.NotFoundError) as caught:
        other.responses.create(model="gpt-5", input=[item])
    assert caught.value.param == "input"
    assert client.responses.retrieve(made.id).id == made.id


def test_an_item_is_referred_to(client: openai.OpenAI, standin: StandIn) -> None:
    one = ask(client, "first")
    items: Any = [
        {"role": "user", "content": "before"},
        {"type": "item_reference", "id": one.output[-1].id},
        {"role": "user", "content": "after"},
    ]
    client.responses.create(model="gpt-5", input=items)
    assert messages(standin) == [
        ("user", "before"),
        ("assistant", one.output_text),
        ("user", "after"),
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_unknown_response_cannot_be_continued(client: openai.OpenAI, *, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "go on", previous_response_id="resp_nope", stream=stream)
    assert code_of(caught.value) == (400, "previous_response_not_found", "previous_response_id")
    assert "Previous response with id 'resp_nope' not found." in caught.value.message


def test_a_conversation_without_its_beginning_is_refused(client: openai.OpenAI) -> None:
    one = ask(client, "first")
    two = ask(client, "second", previous_response_id=one.id)
    client.responses.delete(one.id)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, "third", previous_response_id=two.id)
    assert code_of(caught.value) == (400, "previous_response_incomplete", "previous_response_id")
    assert one.id in caught.value.message
    # It is there, but cannot be continued.
    assert client.responses.retrieve(two.id).previous_response_id == one.id


def test_what_is_not_to_be_stored_is_not(client: openai.OpenAI) -> None:
    made = ask(client, "hello there", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError):
        ask(client, "go on", previous_response_id=made.id)


def test_an_answer_that_was_cut_short_is_stored_as_that(client: openai.OpenAI) -> None:
    made = ask(client, "hello there", max_output_tokens=1)
    assert made.status == "incomplete"
    assert client.responses.retrieve(made.id).status == "incomplete"


def test_input_is_listed_in_pages(client: openai.OpenAI) -> None:
    asked: Any = [{"role": "user", "content": f"number {n}"} for n in range(5)]
    made = client.responses.create(model="gpt-5", input=asked)
    items = client.responses.input_items

    def texts(**parameters: Any) -> list[str]:
        page = items.list(made.id, **parameters)
        return [item.to_dict()["content"][0]["text"] for item in page.data]  # type: ignore[index]

    assert texts() == [f"number {n}" for n in reversed(range(5))]
    assert texts(order="asc", limit=2) == ["number 0", "number 1"]
    first = items.list(made.id, order="asc", limit=2)
    assert (first.has_more, first.object) == (True, "list")
    assert (first.first_id, first.last_id) == (first.data[0].id, first.data[1].id)
    assert texts(order="asc", limit=2, after=first.last_id) == ["number 2", "number 3"]
    # The package fetches page after page.
    assert len(list(items.list(made.id, limit=2))) == 5
    assert not items.list(made.id, limit=5).has_more


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=000000001" + "0" * 5_000, "limit"),
        ("order=up", "order"),
        ("after=msg_none", "after"),
    ],
)
def test_pages_that_cannot_be_are_refused(
    client: openai.OpenAI, parameters: str, param: str
) -> None:
    made = ask(client, "hello there")
    url = f"{URL}/{made.id}/input_items?{parameters}"
    answer = requests.get(url, headers={"authorization": f"Bearer {APP_KEY}"}, timeout=30)
    assert answer.status_code == 400
    assert (error_of(answer)["param"], error_of(answer)["code"]) == (param, "invalid_value")


def test_tokens_are_estimated_as_for_the_call_itself(client: openai.OpenAI) -> None:
    one = ask(client, "first " * 100)
    count = client.responses.input_tokens.with_raw_response.count
    alone = count(model="gpt-5", input="second")
    assert alone.headers["x-vast-estimated"] == "input_tokens"
    assert alone.parse().object == "response.input_tokens"
    assert 0 < alone.parse().input_tokens < 30
    together = count(model="gpt-5", input="second", previous_response_id=one.id)
    assert together.parse().input_tokens > alone.parse().input_tokens + 100
    with pytest.raises(openai.BadRequestError) as caught:
        count(model="gpt-5", input="second", previous_response_id="resp_none")
    assert caught.value.param == "previous_response_id"


def test_what_is_not_served_is_refused(client: openai.OpenAI) -> None:
    made = ask(client, "hello there")
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(made.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.retrieve(made.id, stream=True)
    assert caught.value.param == "stream"
    with pytest.raises(openai.NotFoundError) as missing:
        client.responses.compact(model="gpt-5", input="x")
    assert missing.value.code == "unsupported_endpoint"


def test_a_websocket_is_refused_so_that_codex_posts(mitmdump: Interceptor) -> None:
    del mitmdump
    headers = {
        "authorization": f"Bearer {APP_KEY}",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = requests.get(URL, headers=headers, timeout=30)
    assert answer.status_code == 426
    assert error_of(answer)["code"] == "websocket_not_served"


# --- what the configuration says ----------------------------------------------------------------


def test_a_file_keeps_conversations_across_restarts(
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "kept.sqlite"
    config = {"vast": vast_section, "responses": {"store": str(file)}}
    with harness.intercept(tmp_path / "one", config) as interceptor:
        use(interceptor, monkeypatch)
        one = ask(openai.OpenAI(api_key=APP_KEY), "first", stream=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert APP_KEY.encode() not in file.read_bytes()
    with harness.intercept(tmp_path / "two", config) as interceptor:
        use(interceptor, monkeypatch)
        client = openai.OpenAI(api_key=APP_KEY, max_retries=0)
        assert client.responses.retrieve(one.id).output_text == one.output_text
        ask(client, "second", previous_response_id=one.id)
        assert messages(standin)[0] == ("user", "first")
        with pytest.raises(openai.NotFoundError):
            openai.OpenAI(api_key=OTHER_KEY).responses.retrieve(one.id)


def test_nothing_is_kept_if_that_is_off(
    vast_section: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"vast": vast_section, "responses": {"store": "off"}}
    with harness.intercept(tmp_path / "off", config) as interceptor:
        use(interceptor, monkeypatch)
        client = openai.OpenAI(api_key=APP_KEY, max_retries=0)
        one = ask(client, "first")
        with pytest.raises(openai.BadRequestError, match="store: off") as caught:
            ask(client, "second", previous_response_id=one.id)
        assert code_of(caught.value)[1:] == ("previous_response_not_found", "previous_response_id")
        with pytest.raises(openai.NotFoundError, match="store: off"):
            client.responses.retrieve(one.id)


def test_calls_that_need_no_store_are_served_without_one(
    vast_section: dict[str, Any],
    certs: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del certs
    file = tmp_path / "kept.sqlite"
    file.write_bytes(b"This is no database. " * 100)
    config = {"vast": vast_section, "responses": {"store": str(file)}}
    with harness.intercept(tmp_path / "broken", config) as interceptor:
        use(interceptor, monkeypatch)
        client = openai.OpenAI(api_key=APP_KEY, max_retries=0)
        for _ in range(2):
            with pytest.raises(openai.InternalServerError) as caught:
                ask(client, "hello there")
            assert code_of(caught.value) == (500, "response_store_failed", "store")
        assert ask(client, "hello there", store=False).status == "completed"
        assert interceptor.output.count("Responses can be neither kept nor found") == 1
        assert file.read_bytes().startswith(b"This is no database.")
        # Once the file is well, so is the store.
        file.unlink()
        one = ask(client, "hello there")
        assert client.responses.retrieve(one.id).id == one.id
        with sqlite3.connect(file) as database:
            assert database.execute("SELECT count(*) FROM responses").fetchone() == (1,)
        database.close()
