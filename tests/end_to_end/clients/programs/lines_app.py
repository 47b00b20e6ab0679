"""Asks with requests, and takes a stream apart as was copied from one program to the next."""

import json
import os
import sys

import requests

URL = "https://api.openai.com/v1/chat/completions"
HEADERS = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
BODY = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "hello there"}]}

if sys.argv[1] == "stream":
    body = dict(BODY, stream=True, standin={"gate": sys.argv[2]})
    response = requests.post(URL, headers=HEADERS, json=body, stream=True, timeout=60)
    for line in response.iter_lines():
        if line:
            data = line.decode()[len("data: ") :]
            if data == "[DONE]":
                break
            choice = json.loads(data)["choices"][0]
            if choice["finish_reason"]:
                break
            if choice["delta"]["content"]:
                print(json.dumps(choice["delta"]["content"]), flush=True)
else:
    response = requests.post(URL, headers=HEADERS, json=BODY, timeout=60)
    print(response.json()["choices"][0]["message"]["content"])
