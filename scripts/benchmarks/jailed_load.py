"""The load generator as a process: reads jobs from standard input, and prints the figures."""

import pickle
import sys

from .load import run

if __name__ == "__main__":
    while True:
        try:
            job = pickle.load(sys.stdin.buffer)  # noqa: S301  (of the process that started this)
        except EOFError:
            break
        pickle.dump(run(job), sys.stdout.buffer)
        sys.stdout.buffer.flush()
