"""Has a newer model use a tool with LiteLLM, which asks for a response by itself."""

import json
from typing import Any

import litellm

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def ask(messages: list[Any], *, stream: bool) -> Any:
    """An answer of the model; the pieces of its text are printed if it is streamed."""
    answer = litellm.completion(
        "gpt-5.5", messages=messages, tools=[WEATHER], reasoning_effort="low", stream=stream
    )
    if not stream:
        return answer.choices[0].message
    chunks = []
    for chunk in answer:
        chunks.append(chunk)
        if chunk.choices and chunk.choices[0].delta.content:
            print(json.dumps(chunk.choices[0].delta.content), flush=True)
    return litellm.stream_chunk_builder(chunks).choices[0].message


for stream in (False, True):
    messages: list[Any] = [{"role": "user", "content": "hello there"}]
    message = ask(messages, stream=stream)
    messages.append(message)
    for call in message.tool_calls:
        city = json.loads(call.function.arguments)["city"]
        output = {"role": "tool", "tool_call_id": call.id, "content": f"sunny in {city}"}
        messages.append(output)
    message = ask(messages, stream=stream)
    if not stream:
        print(message.content, flush=True)
