"""Reads streams with OpenAI's own package, one after the other, and prints each one's text."""

import json
import sys

import openai

client = openai.OpenAI(max_retries=0)

for standin in json.loads(sys.argv[1]):
    stream = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "hello there"}],
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"standin": standin},
    )
    pieces = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
    print("".join(pieces), flush=True)
