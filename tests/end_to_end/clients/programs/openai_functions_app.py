"""Has the model call a function, as one did with OpenAI's package before there were tools."""

import json
import sys

import openai

FUNCTION = {
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def ask(messages):
    """The answer's message, and why it ended."""
    answer = openai.ChatCompletion.create(
        model="gpt-4o",
        messages=messages,
        functions=[FUNCTION],
        function_call="auto",
        stream=sys.argv[1] == "stream",
    )
    if sys.argv[1] != "stream":
        return answer["choices"][0]["message"], answer["choices"][0]["finish_reason"]
    message = {"role": "assistant", "content": None}
    for chunk in answer:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            if call := delta.get("function_call"):
                begun = message.setdefault("function_call", {"name": "", "arguments": ""})
                begun["name"] += call.get("name", "")
                begun["arguments"] += call["arguments"]
            if delta.get("content"):
                message["content"] = (message["content"] or "") + delta["content"]
            reason = choice["finish_reason"] or ""
    return message, reason


messages = [{"role": "user", "content": "Is it warm in Paris?"}]
message, reason = ask(messages)
print(reason)
while call := message.get("function_call"):
    city = json.loads(call["arguments"])["city"]
    print(call["name"], city)
    messages.append(message)
    messages.append({"role": "function", "name": call["name"], "content": f"hot in {city}"})
    message, reason = ask(messages)
    print(reason)
print(message["content"])
