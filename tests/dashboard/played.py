"""The page's files, served as the interceptor serves them, with a `/state` of the test's own."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from vast_intercept.dashboard import server as dashboard
from vast_intercept.telemetry.report import AMOUNTS

type State = dict[str, Any]

NOW = 1_800_000_000.0
INTERVALS = 90
HOSTILE = '<img src=x onerror="document.title=1"><b>bold</b>\N{RIGHT-TO-LEFT OVERRIDE}abc'
LONG = "organisation/" + "a-very-long-name" * 31
HUGE = 10**12


class Played:
    """Answers `/state` with `state`: a test changes it, and the page shows it a second later."""

    def __init__(self) -> None:
        self.state: State = empty()
        #: Whether `/state` is answered; else the connection is broken off.
        self.there = True
        #: How `/state` is answered instead: a status and a body.
        self.instead: tuple[int, bytes] | None = None
        self.polls: list[float] = []
        self.overlapping = 0
        self._polled = threading.Condition()
        self._answering = 0
        self._may_answer = threading.Event()
        self._may_answer.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def hold(self) -> None:
        """Lets the answers to `/state` wait."""
        self._may_answer.clear()

    def release(self) -> None:
        """Lets them go."""
        self._may_answer.set()

    def wait_for_polls(self, more: int) -> None:
        """Waits until `/state` was asked for so many times more."""
        with self._polled:
            wanted = len(self.polls) + more
            assert self._polled.wait_for(lambda: len(self.polls) >= wanted, 20), self.polls

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serves, in a thread."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            self.release()
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _answer_poll(self) -> tuple[int, bytes] | None:
        with self._polled:
            self.polls.append(time.monotonic())
            self._answering += 1
            self.overlapping = max(self.overlapping, self._answering)
            self._polled.notify_all()
        self._may_answer.wait(20)
        with self._polled:
            self._answering -= 1
        if not self.there:
            return None
        return self.instead or (200, json.dumps(self.state).encode())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        played = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_GET(self) -> None:
                content_type = "application/json"
                if self.path == "/state":
                    answer = played._answer_poll()
                    if answer is None:
                        self.close_connection = True
                        return
                    status, body = answer
                else:
                    file, content_type = dashboard._PAGE[self.path]
                    page = resources.files(dashboard.__package__) / "page" / file
                    status, body = 200, page.read_bytes()
                    content_type += "; charset=utf-8"
                self.send_response(status)
                headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
                for name, value in (dashboard._HEADERS | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def empty(**changes: Any) -> State:
    """What an interceptor tells that nothing has come in to."""
    return {
        "version": "0.5.0",
        "now": NOW,
        "started": NOW - 4000,
        "problem": "",
        "notices": [],
        "how_to": {
            "commands": [
                {
                    "what": "In front of an app",
                    "command": "vast-intercept run --attach 8080 -- COMMAND",
                },
                {"what": "In its shell", "command": 'eval "$(vast-intercept env --port 8080)"'},
            ],
            "listening": ["127.0.0.1:8080"],
            "ca_file": "/home/me/.mitmproxy/mitmproxy-ca-cert.pem",
            "provider_hosts": ["api.openai.com"],
        },
        "totals": {
            **dict.fromkeys(("calls", "ok", "refused", "failed", "broken_off", "cancelled"), 0),
            "passed_on": 0,
            **dict.fromkeys(("prompt_tokens", "completion_tokens", "uncounted_answers"), 0),
        },
        "running": {"count": 0, "waiting": 0, "calls": []},
        "endpoints": [endpoint()],
        "operations": [],
        "latest": [],
        "refused": [],
        "client_tls_failures": 0,
        "history": {
            "seconds": 10,
            "calls": [0] * INTERVALS,
            "errors": [0] * INTERVALS,
            "ttft_p50": [None] * INTERVALS,
            "ttft_p95": [None] * INTERVALS,
            "tokens_per_second": [0.0] * INTERVALS,
        },
        "of_a_later_version": {"unknown": [1]},
        **changes,
    }


def endpoint(name: str = "my-endpoint", **changes: Any) -> State:
    """One that is in use."""
    zeros = dict.fromkeys(("running", "waiting", "calls", "failed"), 0)
    return {
        "name": name,
        "interface": "openai",
        "state": "closed",
        **zeros,
        "trouble": "",
        **changes,
    }


def running(call_id: str = "req_1", **changes: Any) -> State:
    """A stream in progress."""
    return {
        "id": call_id,
        "operation": "chat/completions",
        "model": "gpt-4o",
        "endpoint": "my-endpoint",
        "client": "127.0.0.1",
        "since": NOW - 12.4,
        "stream": True,
        "tokens": 34,
        "waiting": None,
        "attempts": 1,
        "prompt": None,
        **changes,
    }


def ended(call_id: str = "req_1", **changes: Any) -> State:
    """A stream that was answered."""
    return {
        "id": call_id,
        "time": NOW - 12.0,
        "operation": "chat/completions",
        "model": "gpt-4o",
        "endpoint": "my-endpoint",
        "response_model": "Qwen/Qwen3-8B",
        "client": "127.0.0.1",
        "status": 200,
        "outcome": "ok",
        "stream": True,
        "time_to_first_token": 0.21,
        "duration": 3.4,
        "prompt_tokens": 12,
        "completion_tokens": 345,
        **dict.fromkeys(AMOUNTS),
        "tokens_per_second": 101.2,
        "attempts": 1,
        "waited": 0.0,
        "error": None,
        "prompt": None,
        **changes,
    }


def listed(operation: str, **changes: Any) -> State:
    """A call of an operation that generates no text."""
    nothing = ("time_to_first_token", "tokens_per_second", "prompt_tokens", "completion_tokens")
    numbers = {"stream": False, "duration": 0.4, **dict.fromkeys(nothing)}
    return ended(operation, operation=operation, **{**numbers, **changes})


def of_all_kinds() -> State:
    """Calls of operations that an endpoint is said to serve."""
    return full(
        latest=[
            listed("embeddings", texts=3, characters=40, prompt_tokens=12, completion_tokens=0),
            listed("audio/speech", characters=1, media_bytes=48_213),
            listed("audio/transcriptions", audio_seconds=12.4, media_bytes=1_400_000),
            listed("images/edits", images=1, prompt_tokens=3, completion_tokens=400),
            listed("rerank", texts=1),
            ended("chat"),
        ],
        operations=[
            operation("chat/completions", 12_000, 23),
            operation("embeddings", 300, 1, texts=12_345, characters=2_000_000),
            operation("audio/transcriptions", 2, 0, audio_seconds=4_000.0, media_bytes=8_000_000),
        ],
    )


def operation(name: str, calls: int, failed: int, **amounts: float) -> State:
    """Those of an operation."""
    return {"operation": name, "calls": calls, "failed": failed, "amounts": amounts}


def now_running(*calls: State) -> State:
    """The calls in progress, as the state has them."""
    waiting = sum(call["waiting"] is not None for call in calls)
    return {"count": len(calls), "waiting": waiting, "calls": list(calls)}


def totals(**changes: int) -> State:
    """Those of a day."""
    numbers: State = empty()["totals"] | {
        "calls": 12_345,
        "ok": 12_200,
        "refused": 120,
        "failed": 20,
        "broken_off": 3,
        "cancelled": 2,
        "prompt_tokens": 1_234_567,
        "completion_tokens": 7_654_321,
    }
    return numbers | changes


def full(**changes: Any) -> State:
    """Everything that there is to show."""
    wave = [7 + (index * 37) % 11 - (index * 13) % 7 for index in range(INTERVALS)]
    # A quiet time, and in it a lone call.
    quiet = range(30, 48)
    ttft = [None if index in quiet else 0.18 + wave[index] / 100 for index in range(INTERVALS)]
    ttft[40] = 0.3
    outcomes = [
        {},
        {"stream": False, "time_to_first_token": None, "client": "a team"},
        {
            "outcome": "refused",
            "status": 404,
            "error": "unsupported_endpoint",
            "operation": "embeddings",
            **dict.fromkeys(("model", "endpoint", "response_model", "duration"), None),
            **dict.fromkeys(("time_to_first_token", "tokens_per_second"), None),
            "waited": 0.0,
            "stream": False,
            "attempts": 0,
            **dict.fromkeys(("prompt_tokens", "completion_tokens", "client"), None),
        },
        {
            "outcome": "failed",
            "status": 504,
            "error": "vast_timeout",
            "response_model": None,
            "time_to_first_token": None,
            "duration": 300.0,
            "attempts": 3,
            "waited": 24.1,
            "tokens_per_second": None,
            "prompt_tokens": None,
            "completion_tokens": None,
        },
        {"outcome": "broken_off", "error": "vast_connection_lost", "completion_tokens": 44},
        {"outcome": "cancelled", "status": None, "waited": 2.0, "completion_tokens": None},
        {"outcome": "of_a_later_version"},
    ]
    state = empty(
        notices=["There is no Vast API key: set VAST_API_KEY, or vast.key_file."],
        totals=totals(uncounted_answers=17),
        running=now_running(
            running("r1", tokens=1234, since=NOW - 75),
            running("r2", stream=False, tokens=None, client="a team", since=NOW - 3),
            running("r3", waiting="no worker is ready; 2 are loading", tokens=0),
            running("r4", waiting="", tokens=0, model=None, endpoint=None),
            running("r5", attempts=0, tokens=0, since=NOW - 0.1, endpoint=None),
        ),
        endpoints=[
            endpoint(calls=12_000, running=2, waiting=1, failed=3),
            endpoint("second", state="open", trouble="vast_timeout", calls=300, failed=20),
            endpoint(
                "third", state="half-open", trouble="vast_unreachable", interface="serverless"
            ),
        ],
        latest=[
            ended(f"l{index}", time=NOW - index * 9.5 - 0.4, **outcomes[index % len(outcomes)])
            for index in range(50)
        ],
        refused=[
            refused("unsupported_endpoint", "embeddings", 112),
            refused("unsupported_content", "chat/completions", 8, last=NOW - 4000),
        ],
        client_tls_failures=2,
        history={
            "seconds": 10,
            "calls": [max(each, 0) for each in wave],
            "errors": [1 + index % 3 if index in {20, 21, 70} else 0 for index in range(INTERVALS)],
            "ttft_p50": ttft,
            "ttft_p95": [None if each is None else each * 2.4 for each in ttft],
            "tokens_per_second": [each * 41.5 for each in wave],
        },
    )
    return state | changes


def refused(reason: str, operation: str, count: int, last: float = NOW - 30) -> State:
    """What was refused."""
    return {"reason": reason, "operation": operation, "count": count, "last": last}


def hostile(text: str = HOSTILE, number: float = HUGE) -> State:
    """Everything that has a text has this one, and each number is this one."""
    state = full()
    keep = {"outcome", "state", "since", "time", "last", "now", "started", "seconds", "id"}

    def replaced(value: Any, name: str = "") -> Any:
        match value:
            case dict():
                return {key: replaced(each, key) for key, each in value.items()}
            case list():
                return [replaced(each) for each in value]
            case str() if name not in keep:
                return text
            case int() | float() if name not in keep and not isinstance(value, bool):
                return number
        return value

    result: State = replaced(state)
    return result
