"""A machine: a server of one's own that speaks OpenAI's API, such as a Vast instance with vLLM."""

from functools import lru_cache, partial

from yarl import URL

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import misconfigured
from ...openai_api.operations import Operation
from ...vast_api.headers import headers
from ..http_client import HttpClient
from .base import Attempt, UpstreamAnswer, explain_vast
from .tls import public_context
from .trust import VastTrust


class MachineUpstream:
    """Sends calls to the machine's `url`, with the machine's own key."""

    def __init__(self, client: HttpClient, trust: VastTrust) -> None:
        self._client = client
        self._trust = trust

    async def send(self, attempt: Attempt) -> UpstreamAnswer:
        """The machine's answer, whatever its status. Raises AttemptFailed or ApiError."""
        request = attempt.request
        call, config = request.call, request.call.config
        machine = config.known_endpoint(attempt.endpoint).machine
        assert machine
        if machine.api_key_problem:
            raise misconfigured(
                f"There is no key for {attempt.endpoint!r}: {machine.api_key_problem}.",
                ErrorCode.VAST_KEY_MISSING,
            )
        url = _url(machine.url, request.operation)
        key = machine.api_key
        request.progress.send_to(str(url), *([key] if key else []))
        sent = headers(
            key.reveal() if key else None, accept=request.accept, request_id=call.request_id
        )
        if request.form:
            sent["content-type"] = request.form.content_type
        tls = public_context(config)
        if url.scheme == "https":
            tls = await self._trust.context(config)
        return await self._client.post(
            url,
            sent,
            request.form.pieces if request.form else request.pieces,
            tls,
            config.timeout,
            explain=partial(explain_vast, attempt),
            new_connection=attempt.new_connection,
        )


@lru_cache(maxsize=256)
def _url(url: str, operation: Operation) -> URL:
    return URL(f"{url}/v1/{operation}", encoded=True)
