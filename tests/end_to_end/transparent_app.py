"""What runs within the network of its own: stand-in, mitmdump in transparent mode, and curl.

Prints what the app got, as JSON.
"""

import json
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack
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


def in_pieces(port: int, ca: Path) -> int:
    """Posts the same with the first letter by itself, and no ALPN. Returns the status."""
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    context = ssl.create_default_context(cafile=str(ca))
    with ExitStack() as stack:
        client = stack.enter_context(socket.create_connection(("192.0.2.1", port), timeout=20))
        if port == 443:
            wrapped = context.wrap_socket(client, server_hostname="api.openai.com")
            client = stack.enter_context(wrapped)
        client.sendall(head[:1].encode())
        # Another connection, begun later, that has its answer: the letter has been read.
        curl("http://api.openai.com/v1/chat/completions", 80, ca)
        client.sendall((head[1:] + BODY).encode())
        return int(client.recv(1_000).split()[1])


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
        in_pieces_served = [in_pieces(port, interceptor.ca) for port in (443, 80)]
    result = {
        "in pieces": in_pieces_served,
        "https": served["status"],
        "http": plain["status"],
        "refused": refused["error"]["code"],  # type: ignore[index]
        "endpoints": [call["path"].split("/")[1] for call in standin.calls()[:2]],
    }
    standin.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
