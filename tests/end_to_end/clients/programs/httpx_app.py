"""Asks with httpx."""

import json
import os
import sys

import httpx

URL = "https://api.openai.com/v1/chat/completions"
HEADERS = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}

if sys.argv[1] == "stream":
    body = BODY | {"stream": True, "standin": {"gate": sys.argv[2]}}
    with httpx.stream("POST", URL, headers=HEADERS, json=body, timeout=60) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line.removeprefix("data: "))["choices"]:
                    if choice["delta"].get("content"):
                        print(json.dumps(choice["delta"]["content"]), flush=True)
else:
    response = httpx.post(URL, headers=HEADERS, json=BODY, timeout=60)
    response.raise_for_status()
    print(response.json()["choices"][0]["message"]["content"])
