"""A machine: a server of one's own that speaks OpenAI's API, such as a Vast instance with vLLM."""

import ssl
from dataclasses import replace
from functools import lru_cache, partial

from yarl import URL

from ...addresses import is_loopback_name
from ...config import Machine
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, from_machine, misconfigured, operation_not_served
from ...openai_api.operations import LISTED, Operation
from ...openai_api.roles import explain_refused_role
from ...vast_api.headers import headers
from ..call import Call
from ..failures import AttemptFailed
from ..http_client import HttpClient
from .base import Attempt, UpstreamAnswer, lacks_operation, leading_line, with_openai_s_param
from .trust import VastTrust


class MachineUpstream:
    """Sends calls to the machine's `url`, with the machine's own key if it has one.

    A machine's certificate may be of Vast's root, as those of instances are (FACTS V22), or of a
    public CA. So the root is fetched only once a certificate was not trusted without it.
    """

    def __init__(self, client: HttpClient, trust: VastTrust) -> None:
        self._client = client
        self._trust = trust

    async def send(self, attempt: Attempt) -> UpstreamAnswer:
        """The machine's answer, whatever its status. Raises AttemptFailed or ApiError."""
        call, name = attempt.request.call, attempt.endpoint
        machine = call.config.machines[name]
        if machine.api_key_problem:
            raise misconfigured(
                f"There is no key for the machine {name!r}: {machine.api_key_problem}. Set"
                f" endpoints.{name}.api_key in the configuration to one that is there.",
                ErrorCode.MACHINE_KEY_MISSING,
            )
        tls = self._trust.context_at_hand(call.config)
        try:
            try:
                return await self._post(attempt, machine, tls)
            except ApiError as error:
                if error.code != ErrorCode.VAST_TLS_ERROR or not await self._renew(
                    error, call, tls
                ):
                    raise
            return await self._post(attempt, machine, self._trust.context_at_hand(call.config))
        except AttemptFailed as failed:
            failed.error = _of_machine(failed.error, name)
            raise
        except ApiError as error:
            raise _of_machine(error, name) from None

    async def _renew(self, refused: ApiError, call: Call, tls: ssl.SSLContext) -> bool:
        """Whether Vast's root is there now that was missing. Raises ApiError if it can't be had."""
        try:
            return await self._trust.renew(call.config, tls)
        except (AttemptFailed, ApiError) as error:
            why = error.error.message if isinstance(error, AttemptFailed) else error.message
            said = f"{refused.message} If it is of an instance on Vast: {why}"
            raise replace(refused, message=said) from None

    async def _post(
        self, attempt: Attempt, machine: Machine, tls: ssl.SSLContext
    ) -> UpstreamAnswer:
        request = attempt.request
        call, form, key = request.call, request.form, machine.api_key
        url = _url(machine.url, request.operation)
        request.progress.send_to(str(url), *([key] if key else []))
        sent = headers(
            key.reveal() if key else None, accept=request.accept, request_id=call.request_id
        )
        if form:
            sent["content-type"] = form.content_type
        return await self._client.post(
            url,
            sent,
            form.pieces if form else request.pieces,
            tls,
            call.config.timeout,
            explain=partial(_explain, attempt),
            new_connection=attempt.new_connection,
            # A proxy would take its own loopback for this machine's.
            direct=is_loopback_name(url.host or ""),
        )


def _explain(attempt: Attempt, status: int, body: bytes) -> ApiError:
    """What an answer of the machine that is no success means to an app."""
    request, name = attempt.request, attempt.endpoint
    if lacks_operation(status, body):
        advice = (
            f"Does endpoints.{name}.url in the configuration lead to a server of OpenAI's API, and"
            f" is its model one for it? {leading_line(request)}."
        )
        if request.operation in LISTED:
            advice = f"Have it do so, or take that out of endpoints.{name}.serves."
        return operation_not_served(f"The machine {name!r}", request.operation, advice)
    has_key = request.call.config.machines[name].api_key is not None
    redact = request.progress.keys.redact
    error = from_machine(status, body, name=name, has_key=has_key, redact=redact)
    return with_openai_s_param(explain_refused_role(error, request.pieces), request.operation)


def _of_machine(error: ApiError, name: str) -> ApiError:
    return replace(error, message=f"Calling the machine {name!r} failed. {error.message}")


@lru_cache(maxsize=256)
def _url(url: str, operation: Operation) -> URL:
    return URL(f"{url}/v1/{operation}", encoded=True)
