"""Apps that ask: one at a time with requests, and many at once."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from ...harness import APP_KEY, StandIn, body_of

URL = "https://api.openai.com/v1/chat/completions"
MESSAGES: Any = [{"role": "user", "content": "hello there"}]
TEXT = "You said: hello there"


@dataclass
class Reply:
    """What an app got: a text, or an error; and how."""

    status: int
    headers: Any
    body: bytes
    text: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False
    #: Chunks that came while it waited.
    empty: int = 0

    @property
    def error(self) -> dict[str, Any]:
        """The one error."""
        (error,) = self.errors
        return error


def ask(
    *,
    url: str | None = None,
    stream: bool = False,
    timeout: Any = 60,
    standin: Any = None,
    **options: Any,
) -> Reply:
    """A chat completion, or another call with its members beside those, read to its end."""
    body = {"model": "m", "messages": MESSAGES, "stream": stream, **options}
    if standin is not None:
        body["standin"] = standin
    with requests.post(
        url or URL,
        json=body,
        headers={"authorization": f"Bearer {APP_KEY}"},
        timeout=timeout,
        stream=stream,
    ) as answer:
        return _read(answer)


def _read(answer: requests.Response) -> Reply:
    reply = Reply(answer.status_code, answer.headers, answer.content)
    if not answer.headers["content-type"].startswith("text/event-stream"):
        whole = json.loads(reply.body)
        if "error" in whole:
            reply.errors.append(whole["error"])
        else:
            reply.text = whole["choices"][0]["message"]["content"]
            reply.done = True
        return reply
    assert reply.body.endswith(b"\n\n")
    for event in reply.body.decode().removesuffix("\n\n").split("\n\n"):
        if event == "data: [DONE]":
            reply.done = True
        else:
            assert event.startswith("data: {"), event
            chunk = json.loads(event.removeprefix("data: "))
            if "error" in chunk:
                reply.errors.append(chunk["error"])
            for choice in chunk.get("choices", ()):
                reply.empty += choice["delta"] == {"content": ""}
                reply.text += choice["delta"].get("content") or ""
    return reply


def sent_to(standin: StandIn, path: str) -> list[Any]:
    """The JSON bodies of the calls to this path, oldest first."""
    return [json.loads(body_of(call)) for call in standin.calls(path=path)]


class App(threading.Thread):
    """Does something in a thread of its own; `result` waits for it."""

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(daemon=True)
        self._call = lambda: function(*args, **kwargs)
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001  (raised again in `result`)
            self._error = error

    def result(self, seconds: float = 60) -> Any:
        """What the function returned, or raises what it raised."""
        self.join(seconds)
        assert not self.is_alive(), "it still runs"
        if self._error:
            raise self._error
        return self._result
