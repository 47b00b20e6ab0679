"""The configuration in a running interceptor: missing, broken, changed."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from .. import harness
from ..harness import APP_KEY, ENDPOINT, VAST_KEY, StandIn, error_of, use

GROQ = "https://api.groq.com/openai/v1/chat/completions"
URL = "https://api.openai.com/v1/chat/completions"
BODY: Any = {"model": "m", "messages": [{"role": "user", "content": "hello there"}]}


def ask() -> requests.Response:
    return requests.post(URL, json=BODY, timeout=30)


BROKEN = {
    "syntax error": ("vast: [", "not valid YAML"),
    "unknown key": ("vast: {endpont: x}", "vast.endpont: unknown key. Did you mean 'endpoint'?"),
    "wrong type": ("vast: {endpoint: 3}", "vast.endpoint: expected a text"),
    "unknown provider": ("providers: [opnai]", "Did you mean 'openai'?"),
    "two providers with one host": (
        "providers: [openai, {name: mine, host: api.openai.com}]",
        "has the same host",
    ),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named_and_the_process_goes_on_until_it_is_mended(
    text: str,
    message: str,
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "vast.yaml"
    path.write_text(text)
    with harness.intercept(tmp_path, None, "--set", f"vast_config={path}") as interceptor:
        use(interceptor, monkeypatch)
        answer = ask()
        assert answer.status_code == 500
        assert error_of(answer)["code"] == "configuration_invalid"
        assert message in error_of(answer)["message"]
        assert str(path) in error_of(answer)["message"]
        assert message in interceptor.output
        assert standin.calls() == []
        # Nobody knows by now which providers the file names.
        elsewhere = requests.post(GROQ, json=BODY, timeout=30)
        assert error_of(elsewhere)["code"] == "configuration_invalid"

        harness.write_config(path, vast=vast_section)
        assert ask().status_code == 200


def test_a_change_holds_for_the_next_call_and_a_broken_one_does_not(
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with harness.intercept(tmp_path, {"vast": vast_section}) as interceptor:
        use(interceptor, monkeypatch)
        assert ask().status_code == 200
        path = tmp_path / "vast.yaml"
        harness.write_config(path, vast={**vast_section, "endpoint": "big-one"})
        assert ask().status_code == 200
        path.write_text("vast: {endpoint: [}")
        assert ask().status_code == 200
        interceptor.wait_for("stays in force")
        endpoints = [call["path"].split("/")[1] for call in standin.calls()]
        assert endpoints == [ENDPOINT, "big-one", "big-one"]


def written_late(path: Path, text: str) -> None:
    with path.open("w") as file:
        time.sleep(0.4)
        file.write(text)


def written_by_halves(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        time.sleep(0.2)
        file.write(text[len(text) // 2 :])


def written_byte_by_byte(path: Path, text: str) -> None:
    with path.open("wb", buffering=0) as file:
        for byte in text.encode():
            file.write(bytes([byte]))
            time.sleep(0.002)


@pytest.mark.parametrize("write", [written_late, written_by_halves, written_byte_by_byte])
def test_no_call_ever_meets_a_configuration_that_is_being_written(
    write: Callable[[Path, str], None],
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither is a call without a listed key served meanwhile, nor one with it refused."""
    path = tmp_path / "vast.yaml"
    key_file = tmp_path / "key"
    key_file.write_text(VAST_KEY)
    vast = {**vast_section, "api_key": f"file:{key_file}"}
    listed = {"name": "app", "sha256": hashlib.sha256(APP_KEY.encode()).hexdigest()}
    config = {"vast": vast, "clients": {"keys": [listed]}}
    with harness.intercept(tmp_path, config, environ={"VAST_API_KEY": ""}) as interceptor:
        use(interceptor, monkeypatch)
        text = path.read_text()

        def rewrite() -> None:
            for _ in range(2):
                write(path, text)
                write(key_file, VAST_KEY)

        writer = threading.Thread(target=rewrite)
        writer.start()
        while writer.is_alive():
            for key, status in ((APP_KEY, 200), ("sk-another-0123456789", 401)):
                headers = {"Authorization": f"Bearer {key}"}
                answer = requests.post(URL, json=BODY, headers=headers, timeout=30)
                assert answer.status_code == status, answer.text
        writer.join()
        standin.forget_calls()
        write(path, text.replace(f"endpoint: {ENDPOINT}", "endpoint: big-one"))
        # A call waits for a change, but not as long as one may take that comes byte by byte.
        interceptor.wait_for("Read the configuration again")
        headers = {"Authorization": f"Bearer {APP_KEY}"}
        assert requests.post(URL, json=BODY, headers=headers, timeout=30).status_code == 200
        assert [call["path"].split("/")[1] for call in standin.calls()] == ["big-one"]


def test_a_provider_that_is_added_is_taken_over_at_once(
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groq = "https://api.groq.com/openai/v1/chat/completions"
    with harness.intercept(tmp_path, {"vast": vast_section}) as interceptor:
        use(interceptor, monkeypatch)
        with pytest.raises(requests.exceptions.RequestException):
            requests.post(groq, json=BODY, timeout=30)  # tunnelled, to a name unknown here
        harness.write_config(
            tmp_path / "vast.yaml", vast=vast_section, providers=["openai", "groq"]
        )
        assert requests.post(groq, json=BODY, timeout=30).status_code == 200


def test_neither_configuration_nor_key_nor_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"VAST_API_KEY": ""}
    with harness.intercept(tmp_path, None, environ=environ) as interceptor:
        use(interceptor, monkeypatch)
        with pytest.raises(openai.InternalServerError) as raised:
            openai.OpenAI().chat.completions.create(**BODY)
        assert raised.value.code == "vast_endpoint_missing"
        assert "VAST_ENDPOINT" in raised.value.message
        assert "VAST_API_KEY" in interceptor.output


@pytest.mark.parametrize("key_file", ["missing", "empty"])
def test_a_key_file_that_is(
    key_file: str,
    vast_section: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "key"
    if key_file == "empty":
        path.write_text("\n")
    vast = {**vast_section, "api_key": f"file:{path}"}
    environ = {"VAST_API_KEY": ""}
    with harness.intercept(tmp_path, {"vast": vast}, environ=environ) as interceptor:
        use(interceptor, monkeypatch)
        answer = ask()
        assert error_of(answer)["code"] == "vast_key_missing"
        assert str(path) in error_of(answer)["message"]
        path.write_text(VAST_KEY + "\n")
        assert ask().status_code == 200


def test_options_win_over_the_environment_and_the_environment_over_the_file(
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {"vast": {**vast_section, "endpoint": "from-the-file"}}
    with harness.intercept(
        tmp_path / "1", config, environ={"VAST_ENDPOINT": ENDPOINT}
    ) as interceptor:
        use(interceptor, monkeypatch)
        assert ask().status_code == 200
    with harness.intercept(
        tmp_path / "2",
        config,
        *("--set", "vast_endpoint=big-one"),
        environ={"VAST_ENDPOINT": ENDPOINT},
    ) as interceptor:
        use(interceptor, monkeypatch)
        assert ask().status_code == 200
    assert [call["path"].split("/")[1] for call in standin.calls()] == [ENDPOINT, "big-one"]
    assert os.environ.get("VAST_ENDPOINT") is None


def test_an_app_gets_no_further_than_the_configuration_names(
    vast_section: dict[str, Any],
    standin: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though it names one of the account's other endpoints, which the key would open."""
    config = {"vast": vast_section, "providers": ["openai", "vast"]}
    named = "https://openai.vast.ai/{}/v1/chat/completions"
    with harness.intercept(tmp_path, config) as interceptor:
        use(interceptor, monkeypatch)
        refused = requests.post(named.format("big-one"), json=BODY, timeout=30)
        assert refused.status_code == 403
        assert error_of(refused)["code"] == "endpoint_not_allowed"
        assert standin.calls() == []
        assert requests.post(named.format(ENDPOINT), json=BODY, timeout=30).status_code == 200
        # What would be served is there, also for the SDK; what is listed is what it was.
        client = openai.OpenAI()
        assert client.models.retrieve("gpt-4o-2024-08-06").id == "gpt-4o-2024-08-06"
        assert [model.id for model in client.models.list()] == [ENDPOINT]
