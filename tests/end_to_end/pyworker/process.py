"""The PyWorker as a process, and when it is ready."""

import re
import time
from pathlib import Path

from ...harness import ENDPOINT, Process, StandIn, clean_environ, unused_port

_SCRIPT = Path(__file__).with_name("worker.py")

# It reports to the router each second while something changes, else each ten: so long it may take
# if the model server was slow to answer its benchmark.
_READY_SECONDS = 60
_REPORT_SECONDS = 20


class PyWorker(Process):
    """A worker of one of the stand-in's endpoints, on this machine's loopback and over TLS.

    Its model server is the stand-in, too. It serves `routes`, or what it serves without
    OPENAI_ROUTES in its environment.
    """

    def __init__(
        self,
        python: Path,
        folder: Path,
        standin: StandIn,
        *,
        ca: Path,
        certificate: Path,
        key: Path,
        endpoint: str = ENDPOINT,
        number: int = 1,
        max_queue_time: float = 600,
        routes: tuple[str, ...] = (),
    ) -> None:
        port = unused_port()
        self.url = f"https://localhost:{port}"
        self._standin = standin
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "model.log"
        log.write_text("INFO:     Application startup complete.\n")
        super().__init__(
            str(python),
            str(_SCRIPT),
            f"--model-server={standin.url}",
            f"--model-log={log}",
            f"--certificate={certificate}",
            f"--key={key}",
            f"--max-queue-time={max_queue_time}",
            environ=clean_environ(
                CONTAINER_ID=str(number),
                MASTER_TOKEN=endpoint,
                PUBLIC_IPADDR="localhost",
                REPORT_ADDR=standin.url,
                SSL_CERT_FILE=str(ca),
                USE_SSL="true",
                WORKER_HTTP_PORT=str(unused_port()),
                WORKER_PORT=str(port),
                **{f"VAST_TCP_PORT_{port}": str(port)},
                **({"OPENAI_ROUTES": ",".join(routes)} if routes else {}),
            ),
        )

    def wait_until_ready(self) -> None:
        """Returns once the stand-in's router knows it as ready. Fails if that does not come."""
        deadline = time.monotonic() + _READY_SECONDS
        while self.url not in {each["url"] for each in self._standin.workers()}:
            # One that fails to start does not end, but goes on reporting that.
            failed = re.search(r"failed to launch|Benchmark failed|No successful", self.output)
            ended = self.process.poll() is not None
            assert not failed, f"the worker did not become ready:\n{self.output}"
            assert not ended, f"the worker ended:\n{self.output}"
            assert time.monotonic() < deadline, f"the worker is not ready yet:\n{self.output}"
            time.sleep(0.05)

    def reported_load(self) -> float:
        """What it has counted of all calls that have reached it, once it has reported the last."""
        deadline = time.monotonic() + _REPORT_SECONDS
        while True:
            (known,) = (each for each in self._standin.workers() if each["url"] == self.url)
            if known["calls"] == self.requests:
                return float(known["load"])
            assert time.monotonic() < deadline, f"the worker has not reported:\n{self.output}"
            time.sleep(0.05)

    @property
    def requests(self) -> int:
        """How many requests have reached it, those that it refused included."""
        return len(re.findall(r"(?:Starting|Rejecting) Request \d+", self.output))
