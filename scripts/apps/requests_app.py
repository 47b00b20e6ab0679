"""An app of the demo: a script that has OpenAI's URL built in."""

import json

import requests

URL = "https://api.openai.com/v1/chat/completions"
HEADERS = {"Authorization": "Bearer sk-the-key-of-this-old-script"}


def ask(question: str, **options: object) -> requests.Response:
    """Posts a question to OpenAI."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": question}], **options}
    return requests.post(
        URL, headers=HEADERS, json=body, stream=bool(options.get("stream")), timeout=600
    )


print("whole:    ", end="")
print(ask("Good morning!").json()["choices"][0]["message"]["content"])

print("streamed: ", end="")
for line in ask("Tell me a story, word by word.", stream=True).iter_lines(decode_unicode=True):
    if line.startswith("data: ") and line != "data: [DONE]":
        for choice in json.loads(line.removeprefix("data: "))["choices"]:
            print(choice["delta"].get("content") or "", end="|", flush=True)
print()
