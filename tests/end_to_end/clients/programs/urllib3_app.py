"""Asks with urllib3, which looks for no proxy by itself, and prints the body as it comes."""

import os
import sys

import urllib3

mode, *gate = sys.argv[1:]
body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}
if mode == "stream":
    body |= {"stream": True, "standin": {"gate": gate[0]}}
answer = urllib3.PoolManager().request(
    "POST",
    "https://api.openai.com/v1/chat/completions",
    headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
    json=body,
    preload_content=False,
)
if answer.status != 200:
    sys.exit(f"status {answer.status}")
while piece := answer.read1(4096):
    sys.stdout.write(piece.decode())
    sys.stdout.flush()
