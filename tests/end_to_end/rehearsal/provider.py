"""A provider over TLS that says what a script has for what it is asked, in OpenAI's own form.

It is also the proxy that leads there: an interceptor behind it means `api.openai.com`, and gets
this. Its answers name a key of the provider's own, as some do in headers.
"""

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vast_intercept.standin.model_server.png import png

from ...harness import Certificates

PROVIDER_KEY = "sk-provider-s-own-0123456789abcdefghijklmnopqrst"
EMBEDDING_LENGTH = 1_536
_IMAGE = base64.b64encode(png(1024, 1024, "a fox")).decode()


class Provider(ThreadingHTTPServer):
    """Plays a script: by what the last message holds, what is said to it. Notes keys and paths."""

    daemon_threads = True

    def __init__(self, script: Mapping[str, Mapping[str, Any]], certs: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certs.certificate, certs.key)
        self.received: list[tuple[str, str]] = []
        #: What the script says `waits` waits for this.
        self.may_answer = threading.Event()

    @property
    def proxy(self) -> str:
        """The URL of a proxy that leads nowhere else."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def told(self, asked: str) -> Mapping[str, Any]:
        """What the script has for a question."""
        return next(told for to, told in self.script.items() if to in asked)


@contextmanager
def provider_with(
    script: Mapping[str, Mapping[str, Any]], certs: Certificates
) -> Iterator[Provider]:
    """Runs a provider. `certs` are those of `api.openai.com`."""
    with Provider(script, certs) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def do_CONNECT(self) -> None:
        """Is the server to which the connection would lead."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def finish(self) -> None:
        """Closes what it has opened."""
        super().finish()
        self.connection.close()

    def do_POST(self) -> None:
        """Answers a call."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.received.append((self.path, self.headers["authorization"]))
        match self.path.removeprefix("/v1/"):
            case "chat/completions":
                self._chat(body)
            case "responses":
                self._send_json(_response(body["input"], self.server.told(body["input"])))
            case "embeddings":
                self._send_json(_embeddings(body))
            case "images/generations":
                self._send_json({"created": 1, "data": [{"b64_json": _IMAGE}]})
            case "moderations":
                self._send_json({"id": "modr-1", "model": "m", "results": [{"flagged": False}]})

    def _chat(self, body: dict[str, Any]) -> None:
        told = self.server.told(body["messages"][-1]["content"])
        if "waits" in told:
            self.server.may_answer.wait(60)
        if "status" in told:
            self._send(told["status"], told["body"].encode(), "application/json")
        elif body.get("stream"):
            events = b"".join(map(_event, _chunks(told))) + b"data: [DONE]\n\n"
            self._send(200, events, "text/event-stream; charset=utf-8")
        else:
            self._send_json(_completion(told))

    def _send_json(self, body: Any) -> None:
        self._send(200, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("set-cookie", f"session={PROVIDER_KEY}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Prints nothing."""


def _event(chunk: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(chunk).encode()


def _calls(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": each["name"], "arguments": json.dumps(each["arguments"])},
        }
        for number, each in enumerate(told.get("tool_calls", ()))
    ]


def _reason(told: Mapping[str, Any]) -> str:
    reason: str = told.get("finish_reason", "tool_calls" if "tool_calls" in told else "stop")
    return reason


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_790_000_000, "model": "gpt-4o-mini"}


def _usage(told: Mapping[str, Any]) -> dict[str, int]:
    words = len(told.get("text", "").split())
    return {"prompt_tokens": 10, "completion_tokens": words, "total_tokens": 10 + words}


def _completion(told: Mapping[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": told.get("text"), "refusal": None}
    if calls := _calls(told):
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(told)}
    return _head("chat.completion") | {"choices": [choice], "usage": _usage(told)}


def _chunks(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    head = _head("chat.completion.chunk")
    words = [f"{word} " for word in told["text"].split(" ")]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in (*words[:-1], words[-1].rstrip())]
    for delta in deltas:
        yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": _reason(told)}]}
    yield head | {"choices": [], "usage": _usage(told)}


def _response(asked: str, told: Mapping[str, Any]) -> dict[str, Any]:
    part = {"type": "output_text", "text": told["text"], "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    words = len(told["text"].split())
    usage = {"input_tokens": 10, "output_tokens": words, "total_tokens": 10 + words}
    return {
        "id": f"resp_{len(asked):032x}",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "model": "gpt-4o-mini",
        "output": [message | {"content": [part]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """Vectors as the openai package asks for them, in base64: zeros, 32 bits each."""
    vector = "A" * (EMBEDDING_LENGTH * 4 * 4 // 3)
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, _ in enumerate(body["input"])
    ]
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}
