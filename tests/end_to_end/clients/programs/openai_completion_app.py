"""Asks with OpenAI's package as it was until 2022, when there were no chats."""

import json
import sys

import openai

if sys.argv[1] == "stream":
    stream = openai.Completion.create(
        engine="davinci",
        prompt="hello there",
        stream=True,
        standin={"gate": sys.argv[2]},
    )
    for chunk in stream:
        if chunk["choices"][0]["text"]:
            print(json.dumps(chunk["choices"][0]["text"]), flush=True)
else:
    answer = openai.Completion.create(engine="davinci", prompt="hello there")
    print(answer["choices"][0]["text"])
