"""Asks with libsoup, and prints the body as it comes."""

import json
import os
import sys

import gi

gi.require_version("Soup", "3.0")
from gi.repository import GLib, Soup  # noqa: E402

mode, *gate = sys.argv[1:]
body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}
if mode == "stream":
    body |= {"stream": True, "standin": {"gate": gate[0]}}
message = Soup.Message.new("POST", "https://api.openai.com/v1/chat/completions")
message.get_request_headers().append("Authorization", f"Bearer {os.environ['OPENAI_API_KEY']}")
message.set_request_body_from_bytes("application/json", GLib.Bytes.new(json.dumps(body).encode()))
answer = Soup.Session().send(message)
if message.get_status() != 200:
    sys.exit(f"status {message.get_status()}")
while piece := answer.read_bytes(4096).get_data():
    sys.stdout.write(piece.decode())
    sys.stdout.flush()
