"""Asks with pycurl, and prints the body as it comes."""

import json
import os
import sys

import pycurl

mode, *gate = sys.argv[1:]
body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}
if mode == "stream":
    body |= {"stream": True, "standin": {"gate": gate[0]}}


def show(piece: bytes) -> None:
    sys.stdout.write(piece.decode())
    sys.stdout.flush()


curl = pycurl.Curl()
curl.setopt(pycurl.URL, "https://api.openai.com/v1/chat/completions")
curl.setopt(
    pycurl.HTTPHEADER,
    ["Content-Type: application/json", f"Authorization: Bearer {os.environ['OPENAI_API_KEY']}"],
)
curl.setopt(pycurl.POSTFIELDS, json.dumps(body))
curl.setopt(pycurl.FAILONERROR, True)
curl.setopt(pycurl.WRITEFUNCTION, show)
curl.perform()
