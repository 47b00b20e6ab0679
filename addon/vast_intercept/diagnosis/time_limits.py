"""Limits the time of work that Python cannot interrupt, such as looking up a name."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future


def start[T](work: Callable[[], T]) -> Future[T]:
    """Does work in a thread of its own, for whose end the process does not wait."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  (whoever asks for the result gets it)
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def within[T](seconds: float, work: Callable[[], T]) -> T:
    """The result of work. Raises TimeoutError if it takes longer, and leaves it running then."""
    return start(work).result(seconds)


def all_of[T](works: Iterable[Callable[[], T]]) -> list[Future[T]]:
    """Does all work at once. Returns when all of it has ended."""
    futures = [start(work) for work in works]
    for future in futures:
        future.exception()
    return futures
