"""Asks with LlamaIndex."""

import json
import sys

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI

messages = [ChatMessage(role="user", content="hello there")]

if sys.argv[1] == "stream":
    more = {"extra_body": {"standin": {"gate": sys.argv[2]}}}
    for response in OpenAI(model="gpt-4o", additional_kwargs=more).stream_chat(messages):
        if response.delta:
            print(json.dumps(response.delta), flush=True)
else:
    print(OpenAI(model="gpt-4o").chat(messages).message.content)
