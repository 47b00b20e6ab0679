"""Asks an interceptor that runs already for its status."""

import http.client

import msgspec

from ..status import STATUS_HEADER, STATUS_HOST, STATUS_PATH, Recorded, Status, Tally

_SECONDS = 5.0
_MAX_BYTES = 64 * 1024
_MAX_QUOTED = 100


class NotRunningError(Exception):
    """No interceptor answers at the port. The message says what does, and what to do."""


class RunningInterceptor:
    """An interceptor at a port of this machine that somebody else has started, and will end."""

    web_url = None

    def __init__(self, port: int) -> None:
        self.port = port
        self._before: Status | None = None

    def wait_until_ready(self) -> Status:
        """Its status. Raises NotRunningError."""
        self._before = ask_status(self.port)
        return self._before

    def died(self) -> str | None:
        """Always None: whether it still answers is not known before `stop`."""
        return None

    def stop(self) -> Tally | Recorded | None:
        """The numbers of the calls since `wait_until_ready`, or None if it does not answer.

        Those are of what was recorded, if calls are.
        """
        assert self._before
        try:
            now = ask_status(self.port)
        except NotRunningError:
            return None
        if now.recorded:
            before = self._before.recorded
            return now.recorded.since(before) if before else now.recorded
        return now.tally.since(self._before.tally)


def ask_status(port: int, host: str = "127.0.0.1") -> Status:
    """The status of the interceptor at a port of `host`. Raises NotRunningError."""
    where = f"{host}:{port}"
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        url = f"http://{STATUS_HOST}{STATUS_PATH}"
        connection.request("GET", url, headers=dict([STATUS_HEADER]))
        with connection.getresponse() as answer:  # the socket may be its own by now
            body = answer.read(_MAX_BYTES)
    except ConnectionRefusedError:
        raise NotRunningError(
            f"Nothing listens at {where}. Start the interceptor (`vast-intercept serve -p {port}`),"
            " or name the port where it listens."
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise NotRunningError(
            f"What listens at {where} does not answer as an HTTP proxy: {_in_words(error)}. Name"
            " the port where the interceptor listens."
        ) from None
    finally:
        connection.close()
    try:
        return msgspec.json.decode(body, type=Status)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotRunningError(
            f"What listens at {where} is not this interceptor, or not of this version: it answered"
            f" with status {answer.status}. Name the port where the interceptor listens."
        ) from None


def _in_words(error: Exception) -> str:
    """The error on one short line: its text may quote anything that a server has sent."""
    said = str(error).strip() or type(error).__name__
    quoted = said.encode("unicode_escape").decode()
    return quoted if len(quoted) <= _MAX_QUOTED else f"{quoted[:_MAX_QUOTED]}..."
