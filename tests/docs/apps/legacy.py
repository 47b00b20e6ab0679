"""An app that has its URL built in."""

import requests

body = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "hello there"}]}
answer = requests.post(
    "https://api.openai.com/v1/chat/completions",
    json=body,
    headers={"Authorization": "Bearer sk-anything"},
    timeout=30,
)
answer.raise_for_status()
print(answer.json()["choices"][0]["message"]["content"])
