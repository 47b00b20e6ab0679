"""Apps from before there were tools: what they send, and what they get."""

import json
import subprocess
from typing import Any

import pytest
import requests

from .. import harness
from ..harness import APP_KEY, Interceptor, StandIn, error_of
from .clients import environments
from .clients.environments import PROGRAMS

pytestmark = pytest.mark.timeout(300)  # on first use, a client is installed

URL = "https://api.openai.com/v1/chat/completions"
WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALLS = {"tool_calls": [{"name": "get_weather", "arguments": {"city": "Paris"}}]}
TWO_CALLS = {"tool_calls": CALLS["tool_calls"] * 2}
ASKED: Any = [{"role": "user", "content": "Is it warm in Paris?"}]


def ask(**members: Any) -> requests.Response:
    return requests.post(
        URL,
        json={"model": "gpt-3.5-turbo-0613", "messages": ASKED, **members},
        headers={"authorization": f"Bearer {APP_KEY}"},
        timeout=60,
    )


def sent_to(standin: StandIn) -> list[dict[str, Any]]:
    return [json.loads(harness.body_of(call)) for call in standin.calls()]


@pytest.mark.usefixtures("mitmdump")
def test_a_function_call_comes_back_whole(standin: StandIn) -> None:
    answer = ask(functions=[WEATHER], function_call={"name": "get_weather"}, standin=CALLS)
    (choice,) = answer.json()["choices"]
    assert choice["message"]["function_call"] == {
        "name": "get_weather",
        "arguments": '{"city": "Paris"}',
    }
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"
    (sent,) = sent_to(standin)
    assert sent["tools"] == [{"type": "function", "function": WEATHER}]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}
    assert sent["parallel_tool_calls"] is False
    assert not {"functions", "function_call"} & set(sent)


@pytest.mark.usefixtures("mitmdump")
def test_a_function_call_comes_back_streamed() -> None:
    answer = ask(functions=[WEATHER], stream=True, standin=TWO_CALLS)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, end = answer.text.removesuffix("\n\n").split("\n\n")
    assert end == "data: [DONE]"
    choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
    calls = [each["delta"]["function_call"] for each in choices if "function_call" in each["delta"]]
    assert calls[0] == {"name": "get_weather", "arguments": ""}
    assert "".join(each["arguments"] for each in calls) == '{"city": "Paris"}'
    assert choices[-1]["finish_reason"] == "function_call"
    assert "tool_calls" not in answer.text


@pytest.mark.usefixtures("mitmdump")
def test_a_wrong_function_is_refused_with_its_place(standin: StandIn) -> None:
    answer = ask(functions=[WEATHER, {"description": "nameless"}])
    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["code"], error["param"]) == ("missing_required_parameter", "functions[1].name")
    assert standin.calls() == []


@pytest.mark.usefixtures("mitmdump")
def test_a_call_with_tools_keeps_its_bytes(standin: StandIn) -> None:
    """Though it has the words of one with functions."""
    body = (
        b'{"messages": [{"role":"user","content":"\\"functions\\""}, {"role": "assistant",'
        b' "function_call": null, "tool_calls": [ ]}], "functions":null, "tools": [ {"type":'
        b' "function", "function": {"name": "f"}} ], "standin": {"tool_calls": 1}}'
    )
    headers = {"authorization": f"Bearer {APP_KEY}", "content-type": "application/json"}
    answer = requests.post(URL, data=body, headers=headers, timeout=60)
    assert len(answer.json()["choices"][0]["message"]["tool_calls"]) == 1
    assert harness.body_of(standin.calls()[0]) == body


@pytest.fixture
def python(request: pytest.FixtureRequest) -> str:
    """A Python with old packages, installed before the environment leads to the interceptor."""
    return environments.python(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["whole", "stream"])
@pytest.mark.parametrize("python", ["openai_027", "openai_028"], indirect=True)
def test_the_package_of_its_time_calls_a_function(
    python: str, way: str, mitmdump: Interceptor, standin: StandIn
) -> None:
    printed = run(standin, mitmdump, python, "openai_functions_app.py", way)
    assert printed == [
        "function_call",
        "get_weather Paris",
        "stop",
        "The tool says: hot in Paris",
    ]
    check_second_turn(standin)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["whole", "stream"])
@pytest.mark.parametrize("python", ["langchain_0"], indirect=True)
def test_langchain_of_its_time_calls_a_function(
    python: str, way: str, mitmdump: Interceptor, standin: StandIn
) -> None:
    printed = run(standin, mitmdump, python, "langchain_0_functions_app.py", way)
    assert printed == ["The tool says: hot in Paris"]
    check_second_turn(standin)


def run(
    standin: StandIn, interceptor: Interceptor, python: str, program: str, way: str
) -> list[str]:
    """What a program prints that asks a model which calls a function in its first turn."""
    standin.play(CALLS, {})
    try:
        app = subprocess.run(
            [python, str(PROGRAMS / program), way],
            env=harness.clean_environ(**interceptor.app_environ()),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        standin.end_script()
    assert app.returncode == 0, app.stderr
    return app.stdout.splitlines()


def check_second_turn(standin: StandIn) -> None:
    """The model was told of its call and of the result, with one id."""
    _, sent = sent_to(standin)
    call, result = sent["messages"][-2:]
    assert call["tool_calls"][0]["function"] == {
        "name": "get_weather",
        "arguments": '{"city": "Paris"}',
    }
    assert result["role"] == "tool"
    assert result["content"] == "hot in Paris"
    assert result["tool_call_id"] == call["tool_calls"][0]["id"]
