"""Asks with tornado, and prints the body as it comes."""

import asyncio
import json
import os
import sys

from tornado.httpclient import AsyncHTTPClient, HTTPRequest

mode, *gate = sys.argv[1:]
body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}
if mode == "stream":
    body |= {"stream": True, "standin": {"gate": gate[0]}}


def show(piece: bytes) -> None:
    sys.stdout.write(piece.decode())
    sys.stdout.flush()


async def main() -> None:
    request = HTTPRequest(
        "https://api.openai.com/v1/chat/completions",
        method="POST",
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
        },
        body=json.dumps(body),
        streaming_callback=show,
    )
    await AsyncHTTPClient().fetch(request)


asyncio.run(main())
