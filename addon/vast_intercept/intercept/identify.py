"""What a flow asks for: made of mitmproxy's flow for the verdict, before anything is masked."""

from mitmproxy import http

from ..config import Config, find_provider
from ..mitmweb.notes import original_url
from .clients import Client, client_of
from .destination import Destination, Parts, Target, destination_now, destination_of
from .flow_commands import is_for_provider
from .message_keys import api_key_of
from .provider_call import parts_of
from .verdict import Asked, Origin


def asked_by(flow: http.HTTPFlow, config: Config) -> tuple[Asked, Parts]:
    """What is asked by a flow that comes, or is replayed or loaded; and where the app sent it."""
    request = flow.request
    replayed = original_url(flow) if flow.is_replay == "request" else None
    client = Client()
    if not flow.live:
        origin, found = Origin.FILE, destination_of(flow, config.providers)
    elif replayed:
        # The flow shows where the call went; its metadata has what the app asked for.
        parts = parts_of(replayed)
        found = Destination(parts, find_provider(config.providers, *parts[1:3]))
        origin = Origin.REPLAYED_FOR_PROVIDER if is_for_provider(flow) else Origin.REPLAYED
    else:
        origin, found = Origin.LIVE, destination_of(flow, config.providers)
        if config.client_keys and found.provider:
            key = api_key_of(request.headers.fields, request.path)
            client = client_of(key, config.client_keys)
    return _asked(request, found, origin, client)


def asked_by_edited(
    flow: http.HTTPFlow, config: Config, judged: Target, client: Client, origin: Origin
) -> tuple[Asked, Parts]:
    """What is asked by a flow that was changed since it was judged as `judged`, of that client."""
    return _asked(flow.request, destination_now(flow, config.providers, judged), origin, client)


def _asked(
    request: http.Request, found: Destination, origin: Origin, client: Client
) -> tuple[Asked, Parts]:
    asked = Asked(
        origin=origin,
        method=request.method,
        path=found.parts[3],
        headers=request.headers.fields,
        provider=found.provider,
        host_problem=found.problem,
        client=client,
    )
    return asked, found.parts
