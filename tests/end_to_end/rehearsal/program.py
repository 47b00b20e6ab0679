"""An app as it might be: it asks its provider about this and that, and needs each answer.

It knows nothing of an interceptor, and has no tests in it. The key is in its environment.
"""

import json
import os
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import openai
import requests
from pydantic import BaseModel

MODEL = "gpt-4o-mini"
CLIENT = openai.OpenAI(max_retries=0)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["C", "F"]},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
TOOLS: Any = [WEATHER, TIME]


class Person(BaseModel):
    """What the app wants to know of a person."""

    name: str
    born: int


def said(text: str) -> list[Any]:
    """A conversation that begins."""
    return [{"role": "user", "content": text}]


def chat(text: str, **more: Any) -> Any:
    """What the model says to it."""
    answer = CLIENT.chat.completions.create(model=MODEL, messages=said(text), **more)
    return answer.choices[0]


def streamed(text: str, **more: Any) -> str:
    """The same, as it comes."""
    usage = {"include_usage": True}
    stream: Any = CLIENT.chat.completions.create(
        model=MODEL, messages=said(text), stream=True, stream_options=usage, **more
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    return "".join(pieces)


def ask() -> None:
    """Texts, whole and streamed."""
    assert chat("Surprise me.", temperature=1).message.content
    assert chat("What is a proxy?").message.content
    assert streamed("What is a certificate?").startswith("A certificate")
    assert streamed("Tell a long story.").startswith("Once")
    assert chat("Explain hashing in one sentence.").message.content
    assert chat("How do locks work?").message.content
    assert streamed("What is a mountain?").startswith("A mountain")
    assert chat("Say something.").message.content
    assert chat("Two plus two?", temperature=0).message.content == "Four."
    assert chat("Three plus three?", temperature=0).message.content == "Six."


def ask_for_json() -> None:
    """Structured output."""
    wanted: Any = {"type": "json_object"}
    for text in ("List capitals as JSON.", "List rivers as JSON."):
        assert json.loads(chat(text, response_format=wanted).message.content)
    for name in ("Ada", "Grace"):
        parsed = CLIENT.chat.completions.parse(
            model=MODEL, messages=said(f"Who was {name}?"), response_format=Person
        )
        person = parsed.choices[0].message.parsed
        assert person
        assert person.name.startswith(name)


def use_tools() -> None:
    """An agent with tools: what it is told becomes a part of the conversation."""
    messages = said("Is it warm in Paris?")
    while True:
        answer = CLIENT.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
        message = answer.choices[0].message
        if not message.tool_calls:
            break
        messages.append(message.to_dict())
        for call in message.tool_calls:
            assert call.type == "function"
            city = json.loads(call.function.arguments)["city"]
            result = f"18 degrees in {city}"
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    assert len(messages) == 3
    for city in ("Rome", "Oslo", "Bern"):
        assert chat(f"Is it warm in {city}?", tools=TOOLS).message.tool_calls


def continue_a_response() -> None:
    """The Responses API, with a conversation that the provider keeps."""
    first = CLIENT.responses.create(model=MODEL, input="My name is Ada.")
    then = CLIENT.responses.create(
        model=MODEL, input="What is my name?", previous_response_id=first.id
    )
    assert then.output_text == "Your name is Ada."


def do_other_things() -> None:
    """What is no chat, and what goes wrong."""
    vectors = CLIENT.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert len(vectors.data) == 2
    assert CLIENT.images.generate(model="gpt-image-1", prompt="a fox").data
    assert CLIENT.moderations.create(input="a fox").results
    try:
        chat("Am I too fast?")
    except openai.RateLimitError:
        return
    raise AssertionError("the provider has no limit")


def speak_http() -> None:
    """Without a package for it: with requests, and over a socket."""
    key = os.environ["OPENAI_API_KEY"]
    url = "https://api.openai.com/v1/chat/completions"
    # Some apps say who they are with their key.
    body = {"model": MODEL, "messages": said("What is a port?"), "stream": True, "user": key}
    headers = {"authorization": f"Bearer {key}"}
    answer = requests.post(url, json=body, headers=headers, timeout=30)
    assert answer.text.endswith("data: [DONE]\n\n")

    proxy = urlsplit(os.environ["HTTPS_PROXY"])
    assert proxy.hostname
    with socket.create_connection((proxy.hostname, proxy.port or 80), timeout=30) as plain:
        plain.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n")
        assert b" 200 " in plain.recv(65536)
        context = ssl.create_default_context()
        with context.wrap_socket(plain, server_hostname="api.openai.com") as tls:
            content = json.dumps({"model": MODEL, "messages": said("What is a socket?")}).encode()
            head = (
                "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
                f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
            )
            tls.sendall(head.encode() + content)
            received = b"".join(iter(lambda: tls.recv(65536), b""))
    assert b"A socket" in received


if __name__ == "__main__":
    ask()
    ask_for_json()
    use_tools()
    continue_a_response()
    do_other_things()
    speak_http()
    print("all answered")
