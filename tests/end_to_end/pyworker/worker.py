"""What the PyWorker's Python runs: a worker as Vast's vLLM template has it.

Everything else that it needs to know comes from the environment, as on a machine of Vast's.
"""

import argparse
import os
import random
import ssl
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from handlers import DEFAULT_ROUTES, handlers
from vastai import BenchmarkConfig, LogActionConfig, Worker, WorkerConfig


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-server", required=True, help="its URL")
    parser.add_argument("--model-log", type=Path, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--max-queue-time", type=float, required=True, help="in seconds")
    arguments = parser.parse_args()
    # It keeps the result of its benchmark in the working directory.
    os.chdir(arguments.model_log.parent)
    use_certificate(arguments.certificate, arguments.key)
    url = urlsplit(arguments.model_server)
    config = WorkerConfig(
        model_server_url=f"{url.scheme}://{url.hostname}",
        model_server_port=url.port,
        model_healthcheck_url=f"{arguments.model_server}/health",
        model_log_file=str(arguments.model_log),
        handlers=handlers(
            os.environ.get("OPENAI_ROUTES", ",".join(DEFAULT_ROUTES)).split(","),
            arguments.max_queue_time,
            BenchmarkConfig(generator=benchmark, runs=2, concurrency=2, do_warmup=False),
        ),
        log_action_config=LogActionConfig(on_load=["Application startup complete."]),
    )
    Worker(config).run(host="127.0.0.1")


def benchmark() -> dict[str, Any]:
    """A request by which the worker measures its model server."""
    prompt = " ".join(random.choices(["one", "two", "three"], k=20))
    return {"model": "", "prompt": prompt, "temperature": 0.7, "max_tokens": 100}


def use_certificate(certificate: Path, key: Path) -> None:
    """Has the worker's server use these files.

    The PyWorker knows no other names than /etc/instance.crt and /etc/instance.key, which on a
    machine of Vast's are there, and on this one are not ours to make.
    """
    files = {"/etc/instance.crt": certificate, "/etc/instance.key": key}
    load = ssl.SSLContext.load_cert_chain

    @wraps(load)
    def load_ours(
        self: ssl.SSLContext, certfile: str, keyfile: str | None = None, password: Any = None
    ) -> None:
        load(self, files.get(certfile, certfile), files.get(keyfile or "", keyfile), password)

    ssl.SSLContext.load_cert_chain = load_ours


if __name__ == "__main__":
    main()
