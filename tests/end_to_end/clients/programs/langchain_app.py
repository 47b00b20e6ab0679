"""Asks with LangChain."""

import json
import sys

from langchain_openai import ChatOpenAI

if sys.argv[1] == "stream":
    model = ChatOpenAI(model="gpt-4o", extra_body={"standin": {"gate": sys.argv[2]}})
    for chunk in model.stream("hello there"):
        if chunk.content:
            print(json.dumps(chunk.content), flush=True)
else:
    print(ChatOpenAI(model="gpt-4o").invoke("hello there").content)
