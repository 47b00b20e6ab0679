"""Asks with OpenAI's own package."""

import json
import sys

import openai

client = openai.OpenAI()

if sys.argv[1] == "stream":
    stream = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hello there"}],
        stream=True,
        extra_body={"standin": {"gate": sys.argv[2]}},
    )
    for chunk in stream:
        for choice in chunk.choices:
            if choice.delta.content:
                print(json.dumps(choice.delta.content), flush=True)
else:
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hello there"}]
    )
    print(answer.choices[0].message.content)
