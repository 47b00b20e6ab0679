"""Sends a datagram as some user of some address, and prints the echo, or the error's name."""

import errno
import os
import socket
import sys


def send(uid: int, source: str, host: str, port: int) -> str:
    """Returns it."""
    os.setuid(uid)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.bind((source, 0))
        client.connect((host, port))
        try:
            client.send(b"echo")
            return client.recv(100).decode()
        except TimeoutError:
            return "silence"
        except OSError as error:
            return errno.errorcode[error.errno or 0]


if __name__ == "__main__":
    print(send(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
