"""Asks with the standard library's urllib."""

import json
import os
import sys
from urllib.request import Request, urlopen

URL = "https://api.openai.com/v1/chat/completions"
HEADERS = {
    "Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
    "Content-Type": "application/json",
}
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}

if sys.argv[1] == "stream":
    body = BODY | {"stream": True, "standin": {"gate": sys.argv[2]}}
    with urlopen(Request(URL, json.dumps(body).encode(), HEADERS), timeout=60) as response:
        for line in response:
            if line.startswith(b"data: ") and line != b"data: [DONE]\n":
                for choice in json.loads(line.removeprefix(b"data: "))["choices"]:
                    if choice["delta"].get("content"):
                        print(json.dumps(choice["delta"]["content"]), flush=True)
else:
    with urlopen(Request(URL, json.dumps(BODY).encode(), HEADERS), timeout=60) as response:
        print(json.load(response)["choices"][0]["message"]["content"])
