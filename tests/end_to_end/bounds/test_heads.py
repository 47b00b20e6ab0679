"""No head of a request holds up the event loop, and one that would is refused."""

import json
from collections.abc import Iterator

import httpx
import pytest

from ... import harness
from .test_event_loop import LONGEST, SMALL, Watched, watching
from .test_memory import answer_to, connected

KIB = 1024


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watching(tmp_path_factory.mktemp("serve"), "serve") as watched:
        yield watched


HEADS = {
    "question marks": (b"=" + b"?" * 15 * KIB, b""),
    "names without values": (b"=" + b"&a" * 7 * KIB, b""),
    "parameters": (b"?" + b"&=" * 7 * KIB, b""),
    "parameters of an encoded name": (b"?" + b"&%61=%62" * 2_000, b""),
    "slashes": (b"/" * 15 * KIB, b""),
    "dots": (b"/%2e%2e" * 2_000, b""),
    "what looks like tokens": (b"?a=" + b"-eyJ" * 3 * KIB, b""),
    "a header that looks like tokens": (b"", b"x: %b\r\n" % (b"-eyJ" * 15 * KIB)),
    "a header that looks like keys": (b"", b"x: %b\r\n" % (b"sk-" * 20 * KIB)),
    "a key of its own": (b"", b"authorization: %b\r\n" % (b"-eyJ" * 15 * KIB)),
    "many headers": (b"", b"x-key: bearer y\r\n" * 490),
}
TOO_MUCH = {
    "a long path": (b"?" + b"x" * 20 * KIB, b"", "The request's path is longer than 16,384 bytes."),
    "very many headers": (b"", b"a:b\r\n" * 9_000, "The request has more than 500 headers."),
}
# The interceptor's own answer, and a page of the provider's, which goes on to it.
PATHS = [b"/v1/models", b"/page"]


def longest(watched: Watched, head: bytes) -> tuple[int, bytes, float]:
    """The answer's status and body, and for how long the event loop was held up by it."""
    with connected(watched.interceptor) as app:
        watched.post(SMALL, watched.upstream.answer)
        seen = len(watched.ticks.read_text().splitlines())
        app.sendall(head)
        status, _, body = answer_to(app)
    watched.post(SMALL, watched.upstream.answer)  # it has come round once more
    lines = watched.ticks.read_text().splitlines()[seen:]
    return status, body, max((float(line.split()[0]) for line in lines), default=0.0)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("more", "headers"), HEADS.values(), ids=HEADS.keys())
def test_of_a_head(path: bytes, more: bytes, headers: bytes, watched: Watched) -> None:
    head = b"GET %b%b HTTP/1.1\r\nhost: api.openai.com\r\n%b\r\n" % (path, more, headers)
    status, body, held = longest(watched, head)
    assert status in {200, 404, 502}, body
    assert held < LONGEST


@pytest.mark.parametrize(("more", "headers", "why"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_of_a_head_that_is_too_much(
    more: bytes, headers: bytes, why: str, watched: Watched
) -> None:
    head = b"GET /v1/models%b HTTP/1.1\r\nhost: api.openai.com\r\n%b\r\n" % (more, headers)
    status, body, held = longest(watched, head)
    error = json.loads(body)["error"]
    assert (status, error["code"], error["message"]) == (413, "request_too_large", why)
    assert held < 2 * LONGEST  # most of it is mitmproxy's own reading


def test_of_a_head_that_is_too_much_over_http2(watched: Watched) -> None:
    headers = [("a", "b")] * 600
    with httpx.Client(
        http1=False,
        http2=True,
        verify=harness.http2_only(watched.interceptor),
        proxy=watched.interceptor.url,
        trust_env=False,
    ) as client:
        url = "https://api.openai.com/v1/models"
        for _ in range(2):  # the connection can be used on
            answer = client.get(url, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (
                413,
                "request_too_large",
            )
        assert client.get(url).status_code == 200
