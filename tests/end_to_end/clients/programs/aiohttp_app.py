"""Asks with aiohttp, whose default is to know of no proxy."""

import asyncio
import json
import os
import sys

import aiohttp

URL = "https://api.openai.com/v1/chat/completions"
HEADERS = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}


async def whole() -> None:
    """Prints the answer."""
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.post(URL, headers=HEADERS, json=BODY) as response,
    ):
        print((await response.json())["choices"][0]["message"]["content"])


async def stream(gate: str) -> None:
    """Prints the answer's pieces."""
    body = BODY | {"stream": True, "standin": {"gate": gate}}
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.post(URL, headers=HEADERS, json=body) as response,
    ):
        async for line in response.content:
            if line.startswith(b"data: ") and line != b"data: [DONE]\n":
                for choice in json.loads(line.removeprefix(b"data: "))["choices"]:
                    if choice["delta"].get("content"):
                        print(json.dumps(choice["delta"]["content"]), flush=True)


asyncio.run(stream(sys.argv[2]) if sys.argv[1] == "stream" else whole())
