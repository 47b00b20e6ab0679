"""The log has no keys, whoever logs and whatever it is."""

import io
import logging
import traceback
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.intercept.masked_log import MaskedRecord, install, mask_quoted, mask_text

# Not of a form that tells it: what stands before it must.
KEY = "0123456789abcdefghijklmnopqrstuvwxyz"
SHAPED = f"sk-proj-{KEY}"

OF_MITMPROXY = [
    f"Client closed connection before completing request headers: {f'GET / {KEY}'.encode()!r}",
    f"127.0.0.1:1: Bad HTTP request line: {f'GET /v1?key={KEY}'.encode()!r}",
    f"127.0.0.1:1: Invalid header line: {f'Authorization Bearer {KEY}'.encode()!r}",
    f"Received invalid header name: {f'Authorization {KEY}'.encode()!r} from client, refusing",
    f"invalid content-length header: '{KEY}'",
    f"unknown transfer-encoding header: '{KEY}'",
    f"multiple content-length headers: [{KEY.encode()!r}, b'1']",
    f"  >> DataReceived(client, {f'it isn{chr(39)}t {KEY}'.encode()!r})",
    f"  >> DataReceived(client, {f'a quote {chr(34)} and {chr(39)} {KEY}'.encode()!r})",
    f"  >> DataReceived(client, b'Authorization: Bearer {KEY}…",
    f"  >> DataReceived(client, b'Authorization: Bearer {KEY}…\n  << SendData(server, b'{KEY}",
    f"  [h2] <RequestReceived headers:[(b'authorization', b'Bearer {KEY}')]>",
]
OF_ANYBODY = [
    f"calls http://127.0.0.1:8080/v1/models?a=b&api-key={KEY}#c",
    f"GET /v1/models?%6bey={KEY} HTTP/1.1",
    f"Authorization: Bearer {KEY}",
    f"authorization : {KEY}",
    f"X-Api-Key:{KEY}",
    f"Set-Cookie: session={KEY}; Path=/",
    f"Incorrect API key provided in Bearer {KEY}",
    f"a word {SHAPED} in a line",
    f"path /v1/{SHAPED}/x",
]


@pytest.mark.parametrize("line", OF_MITMPROXY)
def test_what_was_received_is_not_quoted(line: str) -> None:
    masked = mask_quoted(line)
    assert KEY[:-4] not in masked
    assert "***" in masked
    assert mask_quoted(masked) == masked


@pytest.mark.parametrize("line", OF_ANYBODY)
def test_a_key_is_masked(line: str) -> None:
    masked = mask_text(line)
    assert KEY[:-4] not in masked
    assert "***" in masked
    assert mask_text(masked) == masked


@pytest.mark.parametrize(
    "line",
    [
        "There is no Vast API key: the environment variable VAST_API_KEY is not set.",
        "config/vast.yaml: vast.api_key: 'env:' names none: write env:NAME or file:PATH.",
        "req_0123456789abcdef0123456789abcdef 127.0.0.1 chat/completions: m → my-endpoint; 200",
        "Start it with: vast-intercept run --attach 8080 -- COMMAND (COMMAND is the app's own)",
        "calls http://127.0.0.1:8080/v1/models?model=gpt-4&stream=true as if the proxy were it",
        'clients: {allow_from: [127.0.0.0/8, "::1", "192.0.2.1"]}',
        "127.0.0.1:5000: client connect",
        "error: [Errno 111] Connect call failed ('127.0.0.1', 9)",
    ],
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert mask_quoted(line) == line


@given(st.text(), st.binary())
def test_any_text_can_be_masked_and_what_is_quoted_is_gone(text: str, data: bytes) -> None:
    once = mask_quoted(f"{text} {data!r}")
    assert mask_quoted(once) == once
    assert mask_quoted(f": {data!r}") == ": b'***'"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a handler writes that knows nothing of keys."""
    before = logging.getLogRecordFactory()
    install()
    install()
    assert logging.getLogRecordFactory() is MaskedRecord
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)
    logging.setLogRecordFactory(before)


def test_every_handler_gets_a_masked_line(log: io.StringIO) -> None:
    logging.getLogger("mitmproxy.proxy.server").warning("Bad HTTP request line: %r", KEY.encode())
    logging.getLogger("a.script").warning("Authorization: Bearer %s", KEY)
    logging.warning("%s", SHAPED)
    assert KEY[:-4] not in log.getvalue()
    assert log.getvalue().count("***") == 3


def fail_because_of(error: Exception) -> None:
    raise UnicodeDecodeError("utf-8", SHAPED.encode(), 0, 1, SHAPED) from error


class TestExceptions:
    def test_without_a_key_stay_as_they_are(self, log: io.StringIO) -> None:
        try:
            {}["a word"]
        except KeyError:
            logging.exception("It failed")
            assert log.getvalue() == f"It failed\n{traceback.format_exc()}"

    def test_are_masked_with_what_has_led_to_them(self, log: io.StringIO) -> None:
        try:
            fail_because_of(ValueError(f"Invalid header line: {KEY.encode()!r}"))
        except UnicodeDecodeError:
            logging.exception("It failed")
        assert KEY[:-4] not in log.getvalue()
        assert "UnicodeDecodeError: " in log.getvalue()
        assert "test_masked_log.py" in log.getvalue()

    def test_keep_their_class(self, log: io.StringIO) -> None:
        del log
        error: Exception
        for error in (ValueError(SHAPED), OSError(1, SHAPED), ExceptionGroup(SHAPED, [OSError()])):
            exc_info = (type(error), error, None)
            record = MaskedRecord("x", 40, "x.py", 1, "x", (), exc_info)
            assert record.exc_info
            assert SHAPED not in str(record.exc_info[1])
            if not isinstance(error, ExceptionGroup):
                assert isinstance(record.exc_info[1], type(error))
