"""Work that must end in time, such as a look-up of a name, which Python cannot interrupt."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future


def start[T](work: Callable[[], T]) -> Future[T]:
    """Does it beside the rest. The process does not wait for it to end."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  (whoever asks for the result gets it)
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def within[T](seconds: float, work: Callable[[], T]) -> T:
    """What it returns. Raises TimeoutError if that takes longer; it is left to itself then."""
    return start(work).result(seconds)


def all_of[T](works: Iterable[Callable[[], T]]) -> list[Future[T]]:
    """Does all at once, and returns when all have ended."""
    futures = [start(work) for work in works]
    for future in futures:
        future.exception()
    return futures
