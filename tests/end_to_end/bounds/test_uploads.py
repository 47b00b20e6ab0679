"""An upload costs little memory, and holds up nobody, however large it is and however it comes."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ... import harness
from ...fixtures.workers import serverless
from ...harness import APP_KEY, ENDPOINT, Certificates, Interceptor, StandIn
from .ticks import LONGEST, TICKER, longest

MIB = 1024 * 1024
URL = "https://api.openai.com/v1/audio/transcriptions"
SERVES = ["audio/transcriptions"]
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n'
END = b"\r\n--b--\r\n"


@dataclass
class Uploading:
    interceptor: Interceptor
    ticks: Path
    #: Bytes that the interceptor held before the first large upload.
    before: int = 0

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.interceptor.process.pid)

    def post(
        self, size: int, *, http2: bool = False, declared: bool = True
    ) -> tuple[httpx.Response, float, float]:
        """Uploads a file of so many bytes.

        Returns the answer, how many MiB more the interceptor held at its peak than before all large
        uploads, and for how many milliseconds the event loop was held up.
        """
        pid = self.process.pid
        seen = len(self.ticks.read_text().splitlines())
        # proc(5): "Reset the peak resident set size ("high water mark")"
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        context = (
            harness.http2_only(self.interceptor)
            if http2
            else ssl.create_default_context(cafile=str(self.interceptor.ca))
        )
        headers = {
            "content-type": "multipart/form-data; boundary=b",
            "authorization": f"Bearer {APP_KEY}",
        }
        if declared:
            headers["content-length"] = str(len(HEAD) + size + len(END))
        with httpx.Client(
            http1=not http2,
            http2=http2,
            verify=context,
            proxy=self.interceptor.url,
            trust_env=False,
            timeout=60,
        ) as client:
            answer = client.post(URL, content=pieces(size), headers=headers)
        status = Path(f"/proc/{pid}/status").read_text()
        peak = 1024 * int(status.partition("VmHWM:")[2].split()[0])
        return answer, (peak - self.before) / MIB, longest(self.interceptor, self.ticks, seen)


def pieces(size: int) -> Iterator[bytes]:
    yield HEAD
    for at in range(0, size, MIB):
        yield b"\r" * min(MIB, size - at)
    yield END


@pytest.fixture(scope="module")
def uploading(certs: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploading]:
    folder = tmp_path_factory.mktemp("uploads")
    ca, certificate, key = certs
    standin = StandIn(
        *("--workers", "1", "--root-cert", str(ca)),
        *("--tls-cert", str(certificate), "--tls-key", str(key)),
        *("--routes", "/v1/audio/transcriptions"),
        scheme="https",
    )
    standin.trust(ca)
    ticks = folder / "ticks"
    ticks.touch()
    config: dict[str, Any] = {
        "vast": serverless(standin, ca, timeout={"total": 60}),
        "endpoints": {ENDPOINT: {"serves": SERVES}},
    }
    environ = {"VAST_TICKER": str(ticks)}
    with harness.intercept(folder, config, "-s", str(TICKER), environ=environ) as running:
        uploading = Uploading(running, ticks)
        for http2 in (False, True):  # the first calls have certificates made
            assert uploading.post(1_000, http2=http2)[0].status_code == 200
        uploading.before = uploading.process.memory_info().rss
        yield uploading
    standin.stop()


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize(
    ("declared", "most"), [(True, 20), (False, 50)], ids=["with a length", "without a length"]
)
def test_of_26_mib_is_refused_before_it_is_held(
    http2: bool, declared: bool, most: int, uploading: Uploading
) -> None:
    """These come first: Python may keep what a larger call has left behind."""
    answer, more, held_up = uploading.post(26 * MIB, http2=http2, declared=declared)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"
    print(f"{more:.0f} MiB, {held_up:.0f} ms")
    assert more < most
    assert held_up < LONGEST


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("declared", [True, False], ids=["with a length", "without a length"])
def test_of_25_mib(http2: bool, declared: bool, uploading: Uploading) -> None:
    answer, more, held_up = uploading.post(25 * MIB, http2=http2, declared=declared)
    assert answer.status_code == 200, answer.text
    assert f"{25 * MIB} bytes" in answer.json()["text"]
    print(f"{more:.0f} MiB, {held_up:.0f} ms")
    assert more < 100
    assert held_up < LONGEST


def test_of_one_that_mitmproxy_holds(uploading: Uploading) -> None:
    answer, more, held_up = uploading.post(7 * MIB)
    assert answer.status_code == 200, answer.text
    assert more < 100
    assert held_up < LONGEST
