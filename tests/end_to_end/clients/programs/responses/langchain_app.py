"""Uses a tool with LangChain, whole and streamed: told to use responses, and by a newer model."""

import json
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


def ask(model: Any, *, stream: bool) -> None:
    """Prints the answer's text, or its pieces."""
    bound = model.bind_tools([get_weather])
    messages: list[Any] = [HumanMessage("hello there")]
    if stream:
        message: Any = None
        for chunk in bound.stream(messages):
            message = chunk if message is None else message + chunk
    else:
        message = bound.invoke(messages)
    messages += [message, *(get_weather.invoke(call) for call in message.tool_calls)]
    if not stream:
        print(bound.invoke(messages).text, flush=True)
        return
    for chunk in bound.stream(messages):
        if chunk.text:
            print(json.dumps(chunk.text), flush=True)


for told in ({"model": "gpt-5.5", "use_responses_api": True}, {"model": "gpt-5.5-pro"}):
    for stream in (False, True):
        ask(ChatOpenAI(**told), stream=stream)
