"""Which destinations of a call take its images and audio."""

from collections.abc import Collection, Sequence

from ...config import Config, Endpoint, EndpointId, UpstreamKind
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.media_parts import MediaName
from ...openai_api.modalities import Modality
from ...openai_api.operations import Api
from ...openai_api.reading import shown

_NAMES = {Modality.IMAGE: "images", Modality.AUDIO: "audio"}


def takers(
    destinations: Sequence[EndpointId], media: Sequence[MediaName], config: Config, api: Api
) -> list[EndpointId]:
    """The destinations that take all of the images and audio, in order.

    The provider that the app meant takes everything, but a call does not go there only because
    nobody else does: that costs money. Raises ApiError (400), worded for `api`, with the place of
    the first part that is not taken if no endpoint remains.
    """
    needed = {name.modality for name in media}
    found = [each for each in destinations if needed <= _taken(each, config)]
    if needed and not any(each.kind is not UpstreamKind.PROVIDER for each in found):
        raise _not_taken(destinations, media, config, api)
    return found


def _taken(destination: EndpointId, config: Config) -> frozenset[Modality]:
    if destination.kind is UpstreamKind.PROVIDER:
        return frozenset(Modality)
    return config.known_endpoint(destination.name).modalities


def _not_taken(
    destinations: Sequence[EndpointId], media: Sequence[MediaName], config: Config, api: Api
) -> ApiError:
    first = destinations[0]
    name = next(name for name in media if name.modality not in _taken(first, config))
    kind, place = shown(name.kind), name.place
    if api == "anthropic":
        said = f"{place}: Content of the type {kind!r} cannot be served"
    else:
        said = f"The content part {place} has the type {kind!r}, which Vast cannot serve"
    endpoint = shown(first.name)
    how = f"put `endpoints: {{{endpoint}: {{input_modalities: [{name.modality}]}}}}` into"
    if first.kind is UpstreamKind.OPENAI:
        how = f"{how.removesuffix(' into')} and `vast: {{interface: serverless}}` into"
    elif config.known_endpoint(first.name) != Endpoint(name=first.name):
        how = f"add {name.modality} to endpoints.{endpoint}.input_modalities in"
    return bad_request(
        f"{said}: the configuration has no endpoint for this call that takes"
        f" {_NAMES[name.modality]}. Send text, or let these calls go to another provider. If the"
        f" model of the endpoint takes them, {how} the interceptor's configuration."
        f"{_another({name.modality for name in media}, config)}",
        ErrorCode.UNSUPPORTED_CONTENT,
        place,
    )


def _another(needed: Collection[Modality], config: Config) -> str:
    """A sentence, after a blank, about an endpoint that calls for another model go to."""
    for name in config.endpoints():
        if config.known_endpoint(name).modalities.issuperset(needed):
            return (
                f" Or send these calls to the endpoint {shown(name)!r}, which takes them, by a"
                " route for their `model`."
            )
    return ""
