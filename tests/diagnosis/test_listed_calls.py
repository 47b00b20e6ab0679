"""Operations that an endpoint is said to serve are called, each once and as an app calls it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vast_intercept.diagnosis.listed_calls import TRIALS
from vast_intercept.openai_api.operations import LISTED

from .. import harness
from ..harness import APP_KEY, Certificates, StandIn
from .conftest import STEPS, Setup, interceptor_for, sections_for

ALL = [str(operation) for operation in TRIALS]
NAMES = [trial.name for trial in TRIALS.values()]
ROUTES = ",".join(f"/v1/{operation}" for operation in ALL)
ENDPOINTS = {"big-one": {"serves": ALL, "input_modalities": ["image"]}}
SEEN = [{"model": "seeing", "endpoint": "big-one"}]


@pytest.fixture(scope="module")
def able(certs: Certificates) -> Iterator[StandIn]:
    """A stand-in whose endpoint `big-one` serves all of them, and sees."""
    ca, certificate, key = certs
    routes = ("--routes", f"big-one={ROUTES}", "--input-modality", "image")
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    standin = StandIn(*tls, *routes, scheme="https")
    standin.trust(ca)
    yield standin
    standin.stop()


@pytest.fixture(scope="module")
def _setup(
    able: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setup]:
    sections = sections_for(able, certs.ca, interface="serverless")
    sections |= {"endpoints": ENDPOINTS, "routes": SEEN}
    with interceptor_for(tmp_path_factory.mktemp("listed"), sections) as setup:
        yield setup


@pytest.fixture
def setup(_setup: Setup, able: StandIn) -> Setup:
    """All is well: an interceptor in front of that stand-in, which has no calls yet."""
    able.forget_calls()
    return _setup


def payloads(standin: StandIn) -> dict[str, dict[str, Any]]:
    """What the workers were asked for, by path. Of calls to one path the last."""
    bodies = {each["path"]: harness.body_of(each) for each in standin.calls()}
    return {
        path: json.loads(body)["payload"]
        for path, body in bodies.items()
        if path.startswith("/v1/")
    }


def test_there_is_a_call_for_each_operation() -> None:
    assert set(TRIALS) == LISTED


def test_each_is_called_once_and_said_what_came(setup: Setup, able: StandIn) -> None:
    report = setup.check()
    assert list(report.steps) == [*STEPS, *NAMES, "vision_call"]
    assert report.named("passed") == set(report.steps), report.output
    said = {name: report.steps[name]["message"] for name in (*NAMES, "vision_call")}
    assert said["embeddings_call"].startswith("2 texts, ")
    assert said["embeddings_call"].endswith(" numbers each, by big-one")
    assert said["rerank_call"].startswith("2 documents, number 1 is the nearest")
    assert said["score_call"].startswith("a score of 0.")
    assert " bytes of audio/" in said["speech_call"]
    assert ", the first after " in said["speech_call"]
    assert "check.wav" in said["transcription_call"]
    assert "check.wav" in said["translation_call"]
    assert "one image, 256 x 256 pixels" in said["image_call"]
    assert "one image, 256 x 256 pixels" in said["image_edit_call"]
    assert "a red square, seen as " in said["vision_call"]
    assert all(each.endswith(", by big-one") for each in said.values())
    asked = payloads(able)
    assert set(asked) == {f"/v1/{operation}" for operation in (*ALL, "chat/completions")}
    assert APP_KEY not in str(asked)


def test_only_what_the_configuration_lists_is_called(setup: Setup) -> None:
    report = setup.check(sections={"endpoints": {"big-one": {"serves": ["score"]}}})
    assert list(report.steps) == [*STEPS, "score_call"]
    assert report.code == 0


def test_offline_calls_nothing(setup: Setup, able: StandIn) -> None:
    report = setup.check("--offline")
    assert report.code == 0
    assert {*NAMES, "vision_call"} < report.named("skipped")
    assert able.calls() == []


def test_each_endpoint_is_called_that_a_model_leads_to(
    able: StandIn, certs: Certificates, tmp_path: Path
) -> None:
    sections = sections_for(able, certs.ca, interface="serverless")
    sections["endpoints"] = {
        "big-one": {"serves": ["embeddings"]},
        "my-endpoint": {"serves": ["embeddings", "score"]},
    }
    sections["routes"] = [
        {"model": "big-*", "endpoint": "big-one"},
        {"model": "bigger", "endpoint": "big-one"},
    ]
    with interceptor_for(tmp_path, sections) as setup:
        report = setup.check()
    assert list(report.steps) == [*STEPS, "embeddings_call", "embeddings_call_2", "score_call"]
    assert report.steps["embeddings_call_2"]["message"].endswith(", by big-one")
    assert report.named("failed") == {"embeddings_call", "score_call"}  # not of its workers
    assert "endpoints.my-endpoint.serves" in report.steps["embeddings_call"]["advice"]


@pytest.fixture(scope="module")
def unable(
    able: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setup]:
    """An interceptor whose configuration says of an endpoint what it does not serve."""
    sections = sections_for(able, certs.ca, interface="serverless")
    sections["endpoints"] = {"my-endpoint": {"serves": ["score"]}}
    with interceptor_for(tmp_path_factory.mktemp("unable"), sections) as setup:
        yield setup


def test_the_line_is_named_that_says_what_is_not_served(unable: Setup) -> None:
    told = unable.check().only_failure("score_call")
    assert "operation_not_served" in told
    assert "Take score out of endpoints.my-endpoint.serves" in told
    assert "OPENAI_ROUTES must list /v1/score" in told


def test_another_configuration_of_the_interceptor_is_told_of(unable: Setup) -> None:
    wanted = {"my-endpoint": {"serves": ["embeddings"]}}
    told = unable.check(sections={"endpoints": wanted}).only_failure("embeddings_call")
    assert "unsupported_endpoint" in told
    assert "runs with another configuration, in which no endpoint serves embeddings" in told
    assert f"vast-intercept serve -p {unable.interceptor.port} --config " in told
    wanted = {"my-endpoint": {"input_modalities": ["image"]}}
    told = unable.check(sections={"endpoints": wanted}).only_failure("vision_call")
    assert "unsupported_content" in told
    assert "no endpoint takes images" in told


def test_an_endpoint_that_the_account_has_not_is_named(unable: Setup) -> None:
    wanted = {"embeder": {"serves": ["embeddings"]}}
    told = unable.check(sections={"endpoints": wanted}).only_failure("endpoint")
    assert "no endpoint 'embeder' (endpoints.embeder)" in told
    assert "in the place of endpoints.embeder: endpoints." in told
