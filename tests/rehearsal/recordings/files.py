"""Recordings as tests write them."""

import json
from pathlib import Path
from typing import Any

from vast_intercept.rehearsal.calls import RecordedCall, Unusable
from vast_intercept.rehearsal.recordings.reading import read_recording

CHAT_URL = "https://api.openai.com/v1/chat/completions"
CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
ANSWER: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}


def read(path: Path, content: bytes | str) -> list[RecordedCall | Unusable]:
    """What a file of that content has."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_recording(path))


def the_call(path: Path, content: bytes | str) -> RecordedCall:
    (found,) = read(path, content)
    assert isinstance(found, RecordedCall), found
    return found


def why(path: Path, content: bytes | str) -> str:
    """Why the only part of a file cannot be used."""
    (found,) = read(path, content)
    assert isinstance(found, Unusable), found
    return found.why


def har(*entries: Any, creator: str = "WebInspector") -> str:
    log = {"version": "1.2", "creator": {"name": creator, "version": "1"}, "entries": entries}
    return json.dumps({"log": log})


def entry(**changes: Any) -> dict[str, Any]:
    """A call as Chrome exports it; `request__url` and the like change what stands there."""
    made: dict[str, Any] = {
        "startedDateTime": "2026-01-02T03:04:05.500Z",
        "time": 1_600,
        "request": {
            "method": "POST",
            "url": CHAT_URL,
            "httpVersion": "h3",
            "headers": [
                {"name": ":authority", "value": "api.openai.com"},
                {"name": "content-type", "value": "application/json"},
                {"name": "Authorization", "value": "Bearer sk-proj-0123456789abcdefghij"},
            ],
            "cookies": [],
            "postData": {"mimeType": "application/json", "text": json.dumps(CHAT)},
            "bodySize": 70,
        },
        "response": {
            "status": 200,
            "headers": [{"name": "content-type", "value": "application/json"}],
            "content": {"size": 72, "mimeType": "application/json", "text": json.dumps(ANSWER)},
            "_transferSize": 300,
            "_error": None,
        },
        "timings": {"blocked": 10, "send": 90, "wait": 500, "receive": 1_000},
        "_resourceType": "fetch",
    }
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = made
        for parent in parents:
            place = place[parent]
        place[last] = value
    return made
