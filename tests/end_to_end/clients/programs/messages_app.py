"""Asks with Anthropic's own package, which it is not told to do otherwise."""

import json
import sys
from typing import Any

import anthropic

CLIENT = anthropic.Anthropic()
ASKED: Any = {"model": "claude-opus-5-5", "max_tokens": 100}
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def forecast(city: str) -> str:
    """What the tool says."""
    return f"It is sunny in {city}."


def turn(messages: list[Any], *, stream: bool) -> Any:
    """The message that answers these."""
    if not stream:
        return CLIENT.messages.create(**ASKED, messages=messages, tools=[WEATHER])
    with CLIENT.messages.stream(**ASKED, messages=messages, tools=[WEATHER]) as streamed:
        return streamed.get_final_message()


def tools(*, stream: bool) -> Any:
    """Makes the calls that the model asks for, until it has asked for no more."""
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    stops = []
    while True:
        message = turn(messages, stream=stream)
        stops.append(message.stop_reason)
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            return [stops, message.content[-1].text]
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": forecast(**call.input)}
            for call in calls
        ]
        messages += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": results},
        ]


def runner() -> Any:
    """The same by the package's own runner."""

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return forecast(city)

    asked: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    runs = CLIENT.beta.messages.tool_runner(**ASKED, messages=asked, tools=[get_weather])
    content: Any = runs.until_done().content
    return content[-1].text


match sys.argv[1]:
    case "runner":
        print(json.dumps(runner()))
    case way:
        print(json.dumps(tools(stream=way == "streamed")))
