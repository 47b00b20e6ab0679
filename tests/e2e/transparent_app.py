"""What runs within the network of its own: stand-in, mitmdump in transparent mode, and curl.

Prints what the app got, as JSON.
"""

import json
import subprocess
import sys
from pathlib import Path

from .. import harness

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello there"}]})


def curl(url: str, port: int, ca: Path) -> dict[str, object]:
    """Posts to api.openai.com, which is some address far away here; adds the status."""
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--cacert", str(ca), "--max-time", "30"),
            *("--resolve", f"api.openai.com:{port}:192.0.2.1", "-w", "\n%{http_code}"),
            *("-H", "content-type: application/json", "-d", BODY, url),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return {**json.loads(body), "status": int(status)}


def main(ca: Path, certificate: Path, key: Path, folder: Path) -> None:
    """Runs it all."""
    standin = harness.StandIn("--tls-cert", str(certificate), "--tls-key", str(key), scheme="https")
    standin.trust(ca)
    config = {
        "vast": harness.vast_section(standin, ca),
        # An app of this machine comes from the address of its way out.
        "clients": {"allow_from": ["198.51.100.0/24"]},
    }
    options = ("--mode", "transparent@18080", "--listen-host", "0.0.0.0")
    with harness.intercept(folder, config, *options) as interceptor:
        served = curl("https://api.openai.com/v1/chat/completions", 443, interceptor.ca)
        plain = curl("http://api.openai.com/v1/chat/completions", 80, interceptor.ca)
        refused = curl("https://api.openai.com/v1/embeddings", 443, interceptor.ca)
    result = {
        "https": served["status"],
        "http": plain["status"],
        "refused": refused["error"]["code"],  # type: ignore[index]
        "endpoints": [call["path"].split("/")[1] for call in standin.calls()],
    }
    standin.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
