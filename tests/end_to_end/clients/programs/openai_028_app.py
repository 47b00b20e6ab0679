"""Asks with OpenAI's package as it was until 2023."""

import json
import sys

import openai

if sys.argv[1] == "stream":
    stream = openai.ChatCompletion.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hello there"}],
        stream=True,
        standin={"gate": sys.argv[2]},
    )
    for chunk in stream:
        for choice in chunk["choices"]:
            if choice["delta"].get("content"):
                print(json.dumps(choice["delta"]["content"]), flush=True)
else:
    answer = openai.ChatCompletion.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hello there"}]
    )
    print(answer["choices"][0]["message"]["content"])
