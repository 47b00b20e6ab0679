"""The load generator as a process of its own: jobs come on standard input, figures go out."""

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
