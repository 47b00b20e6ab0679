"""Makes the question for the verdict from mitmproxy's flow, before anything is masked."""

from dataclasses import dataclass

from mitmproxy import http

from ..config import Config, find_provider
from ..mitmweb.notes import original_url
from .clients import ANYBODY, Client, client_of
from .destination import Destination, Target, destination_now, destination_of, target_of
from .flow_commands import is_for_provider
from .message_keys import api_key_of
from .provider_call import parts_of
from .verdict import Asked, Origin, Policy, Verdict, judge


def asked_by(flow: http.HTTPFlow, config: Config) -> Asked:
    """What is asked by a flow that comes, or is replayed, or is loaded from a file."""
    request = flow.request
    if not flow.live:
        return _asked(request, Origin.FILE, destination_of(flow, config.providers))
    if flow.is_replay == "request" and (url := original_url(flow)):
        # The flow shows where the call went; its metadata has what the app asked for.
        parts = parts_of(url)
        origin = Origin.REPLAYED_FOR_PROVIDER if is_for_provider(flow) else Origin.REPLAYED
        found = Destination(parts, find_provider(config.providers, *parts[1:3]))
        return _asked(request, origin, found)
    found = destination_of(flow, config.providers)
    client = ANYBODY
    if config.client_keys and found.provider:
        key = api_key_of(request.headers.fields, request.path)
        client = client_of(key, config.client_keys)
    return _asked(request, Origin.LIVE, found, client)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a call was judged by, to judge it again if another addon, or a person, changes it."""

    policy: Policy
    client: Client
    target: Target

    @property
    def config(self) -> Config:
        """The configuration that was in force then, and is for this call."""
        return self.policy.config

    def has_changed(self, flow: http.HTTPFlow) -> bool:
        """Whether the flow is another call by now."""
        return target_of(flow.request) != self.target

    def again(self, flow: http.HTTPFlow, origin: Origin) -> tuple[Asked, Verdict]:
        """What the flow asks for now, and the verdict."""
        found = destination_now(flow, self.config.providers, self.target)
        asked = _asked(flow.request, origin, found, self.client)
        return asked, judge(asked, self.policy)


def _asked(
    request: http.Request, origin: Origin, found: Destination, client: Client = ANYBODY
) -> Asked:
    return Asked(
        origin=origin,
        method=request.method,
        place=found.parts,
        headers=request.headers.fields,
        provider=found.provider,
        host_problem=found.problem,
        client=client,
    )
