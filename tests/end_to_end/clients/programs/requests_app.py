"""Asks with requests."""

import json
import os
import sys

import requests

URL = "https://api.openai.com/v1/chat/completions"
HEADERS = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}

if sys.argv[1] == "stream":
    body = BODY | {"stream": True, "standin": {"gate": sys.argv[2]}}
    with requests.post(URL, headers=HEADERS, json=body, stream=True, timeout=60) as response:
        response.raise_for_status()
        for line in response.iter_lines(decode_unicode=True):
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line.removeprefix("data: "))["choices"]:
                    if choice["delta"].get("content"):
                        print(json.dumps(choice["delta"]["content"]), flush=True)
else:
    response = requests.post(URL, headers=HEADERS, json=BODY, timeout=60)
    response.raise_for_status()
    print(response.json()["choices"][0]["message"]["content"])
