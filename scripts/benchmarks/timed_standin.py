"""The stand-in for Vast, with streams that keep their pace and chunks that say when they were sent.

asyncio's sleeps are always a little too long, so that the stand-in's own streams fall behind, by
more on a busy machine. How long a chunk was on its way could not be told from when it arrives.
"""

import asyncio
import re
from time import perf_counter
from unittest.mock import patch

from aiohttp import web

from vast_intercept.standin.command import standin
from vast_intercept.standin.mischief.exchange import Exchange
from vast_intercept.standin.model_server import vllm

_WORD = re.compile(rb'(?<="content":")(w\d+ )(?=")')


class TimedExchange(Exchange):
    """Says in the text of each chunk when it was sent, behind a `@`.

    A comment would do, but a bridge makes other events of the chunks.
    """

    async def send(self, response: web.StreamResponse, parts: list[bytes]) -> None:
        """Waits until chunk k is due: k delays after the first."""
        delay = self.told.delay
        if not delay:
            await super().send(response, parts)
            return
        start = perf_counter()
        for index, part in enumerate(parts):
            wait = start + index * delay - perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            await response.write(_WORD.sub(rb"\1@%.6f " % perf_counter(), part))


if __name__ == "__main__":
    with patch.object(vllm, "Exchange", TimedExchange):
        standin()
