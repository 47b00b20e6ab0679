"""Which destinations take the pictures and sounds of a call."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from vast_intercept.config import Config, Endpoint, EndpointId, UpstreamKind, load_config
from vast_intercept.openai_api.errors import ApiError
from vast_intercept.openai_api.media_parts import MediaName
from vast_intercept.openai_api.modalities import Modality
from vast_intercept.openai_api.operations import Api
from vast_intercept.relay.retrying.modalities import takers

IMAGE = MediaName(Modality.IMAGE, "image_url", "messages[0].content[1]", "")
SOUND = MediaName(Modality.AUDIO, "input_audio", "messages[2].content[0]", "")
TAKES = {"sees": {Modality.IMAGE}, "hears": {Modality.AUDIO}, "both": set(Modality)}
PROVIDER = EndpointId(UpstreamKind.PROVIDER, "openai")


def config() -> Config:
    known = {
        name: Endpoint(name=name, modalities=frozenset(taken)) for name, taken in TAKES.items()
    }
    loaded = load_config(None, {"VAST_API_KEY": "k" * 20})
    return replace(loaded, known_endpoints=known, interface=UpstreamKind.SERVERLESS)


def named(*names: str, kind: UpstreamKind = UpstreamKind.SERVERLESS) -> list[EndpointId]:
    return [PROVIDER if name == "provider" else EndpointId(kind, name) for name in names]


def found(*names: str, media: Sequence[MediaName], api: Api = "openai") -> list[str]:
    return [each.name for each in takers(named(*names), media, config(), api)]


TAKEN: dict[str, tuple[tuple[str, ...], tuple[MediaName, ...], list[str]]] = {
    "all of them text": (("text", "sees"), (), ["text", "sees"]),
    "text goes to the provider alone": (("provider",), (), ["openai"]),
    "an image passes a text model by": (("text", "sees"), (IMAGE,), ["sees"]),
    "in order": (("both", "text", "sees", "hears"), (IMAGE,), ["both", "sees"]),
    "a sound": (("sees", "hears", "both"), (SOUND, SOUND), ["hears", "both"]),
    "both": (("sees", "hears", "both"), (IMAGE, SOUND), ["both"]),
    "the provider behind one that sees": (
        ("text", "sees", "provider"),
        (IMAGE,),
        ["sees", "openai"],
    ),
}


@pytest.mark.parametrize(("names", "media", "remain"), TAKEN.values(), ids=TAKEN.keys())
def test_those_remain_that_take_all(
    names: tuple[str, ...], media: tuple[MediaName, ...], remain: list[str]
) -> None:
    assert found(*names, media=media) == remain


@pytest.mark.parametrize(
    ("names", "media", "place"),
    [
        (("text",), (IMAGE,), IMAGE.place),
        (("text", "provider"), (SOUND, IMAGE), SOUND.place),
        (("sees", "hears"), (IMAGE, SOUND), SOUND.place),
    ],
    ids=["nobody", "the provider alone", "each takes a half"],
)
def test_the_first_part_that_is_not_taken_is_named(
    names: tuple[str, ...], media: tuple[MediaName, ...], place: str
) -> None:
    with pytest.raises(ApiError) as caught:
        found(*names, media=media)
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "unsupported_content", place)
    assert place in error.message
    assert error.retry is False


WORDS: dict[str, tuple[Any, ...]] = {
    "Serverless": (
        "openai",
        UpstreamKind.SERVERLESS,
        "`endpoints: {text: {input_modalities: [",
        "",
    ),
    "the OpenAI interface": ("openai", UpstreamKind.OPENAI, "`vast: {interface: serverless}`", ""),
    "a machine": ("openai", UpstreamKind.MACHINE, "[image]}}` into", ""),
    "Anthropic's API": (
        "anthropic",
        UpstreamKind.SERVERLESS,
        "put `endpoints",
        "messages[0].content[1]: Content",
    ),
}


@pytest.mark.parametrize(("api", "kind", "said", "begins"), WORDS.values(), ids=WORDS.keys())
def test_the_error_says_what_would_let_it_pass(
    api: Api, kind: UpstreamKind, said: str, begins: str
) -> None:
    with pytest.raises(ApiError) as caught:
        takers(named("text", kind=kind), [IMAGE], config(), api)
    assert said in caught.value.message
    assert caught.value.message.startswith(begins)


def test_an_endpoint_that_would_take_it_is_named() -> None:
    with pytest.raises(ApiError) as caught:
        found("text", media=(IMAGE, SOUND))
    assert "to the endpoint 'both', which takes them, by a route" in caught.value.message


def test_no_other_endpoint_is_named_where_none_takes_it() -> None:
    with pytest.raises(ApiError) as caught:
        takers(named("text"), [IMAGE], replace(config(), known_endpoints={}), "openai")
    assert caught.value.message.endswith("into the interceptor's configuration.")


def test_an_endpoint_that_takes_something_else_keeps_that() -> None:
    with pytest.raises(ApiError) as caught:
        found("sees", media=(SOUND,))
    assert "add audio to endpoints.sees.input_modalities in the" in caught.value.message
