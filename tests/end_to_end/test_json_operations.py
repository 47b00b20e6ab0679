"""Embeddings, rerank, score and images through mitmproxy: the bodies and answers that are JSON."""

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
import requests

from .. import harness
from ..fixtures.workers import serverless, standin_with
from ..harness import APP_KEY, ENDPOINT, Certificates, Interceptor, StandIn, error_of, use
from .bounds.upstream import Upstream, serving, whole

API = "https://api.openai.com/v1"
SERVES = ["embeddings", "rerank", "score", "images/generations"]
PNG_BEGINS = b"\x89PNG\r\n\x1a\n"


@dataclass
class Served:
    """A mitmdump in front of a stand-in, and of a machine that answers what a test says."""

    interceptor: Interceptor
    machine: Upstream

    def answers(self, answer: Any) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.machine.answer = whole(body)


@pytest.fixture(scope="module")
def _standin(certs: Certificates) -> Iterator[StandIn]:
    routes = ",".join(f"/v1/{each}" for each in SERVES)
    with standin_with(certs, "--routes", routes) as standin:
        yield standin


@pytest.fixture(scope="module")
def _served(
    _standin: StandIn, certs: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with serving() as machine:
        config: dict[str, Any] = {
            "vast": serverless(_standin, certs.ca, timeout={"total": 20}),
            "endpoints": {
                ENDPOINT: {"serves": SERVES},
                "box": {"url": machine.url, "serves": SERVES},
            },
            "routes": [{"model": "box-*", "endpoint": "box"}],
        }
        folder = tmp_path_factory.mktemp("json")
        with harness.intercept(folder, config) as interceptor:
            yield Served(interceptor, machine)


@pytest.fixture(autouse=True)
def served(_served: Served, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Served:
    assert standin.calls() == []
    use(_served.interceptor, monkeypatch)
    return _served


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    """OpenAI's own client, in front of that mitmdump."""
    assert served
    with openai.OpenAI() as client:
        yield client


def post(path: str, body: Any) -> requests.Response:
    headers = {"authorization": f"Bearer {APP_KEY}"}
    return requests.post(f"{API}/{path}", json=body, headers=headers, timeout=60)


def to_workers(standin: StandIn) -> list[dict[str, Any]]:
    """The calls that workers got, each with its `payload`."""
    return [
        {**call, "payload": json.loads(harness.body_of(call))["payload"]}
        for call in standin.calls()
        if call["path"].removeprefix("/v1/") in SERVES
    ]


def test_both_encodings_of_the_openai_package_are_equal(
    client: openai.OpenAI, standin: StandIn
) -> None:
    texts = ["the cat sat", "a dog barked", "é"]
    model = "text-embedding-3-small"
    first = client.embeddings.create(model=model, input=texts)
    second = client.embeddings.create(model=model, input=texts, encoding_format="float")
    assert [each.embedding for each in first.data] == [each.embedding for each in second.data]
    assert len(first.data) == 3
    assert first.usage.prompt_tokens == second.usage.prompt_tokens > 0
    asked = [call["payload"] for call in to_workers(standin)]
    assert [each["encoding_format"] for each in asked] == ["base64", "float"]
    assert [each["model"] for each in asked] == ["", ""]


def test_dimensions_and_tokens_reach_the_model(client: openai.OpenAI) -> None:
    tokens = [[1, 2, 3], [4, 5]]
    answer = client.embeddings.create(model="any", input=tokens, dimensions=8)
    assert [len(each.embedding) for each in answer.data] == [8, 8]


VECTORS = [[0.5, -0.25, 3.0], [struct.unpack("<f", struct.pack("<f", 0.1))[0], 1.0, 2.0]]


def of_machine(vectors: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": n, "embedding": v} for n, v in enumerate(vectors)]
    return {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 5}}


def packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize("given", [VECTORS, [packed(each) for each in VECTORS]])
@pytest.mark.parametrize("wanted", ["float", "base64", None])
def test_a_server_that_knows_one_encoding_serves_both(
    given: Any, wanted: str | None, served: Served, client: openai.OpenAI
) -> None:
    served.answers(of_machine(given))
    fields = {"encoding_format": wanted} if wanted else {}
    got = post("embeddings", {"model": "box-1", "input": ["a", "b"], **fields}).json()
    due = [packed(each) for each in VECTORS] if wanted == "base64" else VECTORS
    assert [each["embedding"] for each in got["data"]] == due
    answer = client.embeddings.create(model="box-1", input=["a", "b"])
    assert [each.embedding for each in answer.data] == VECTORS


def test_what_an_answer_took_is_counted(served: Served) -> None:
    served.answers(of_machine(VECTORS[:1]))
    assert post("embeddings", {"model": "box-1", "input": "a"}).ok
    served.interceptor.wait_for("1 text; 5 tokens")


def test_the_router_is_told_what_the_worker_counts(standin: StandIn) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("embeddings", {"input": "x" * 900}),
        ("embeddings", {"input": ["x" * 150, "é" * 150]}),
        ("embeddings", {"input": list(range(75))}),
        ("embeddings", {"input": ["some words " * 20] * 1_000}),
        ("rerank", {"query": "q" * 60, "documents": ["d" * 250] * 8}),
        ("rerank", {"query": "q" * 60, "documents": ["some words " * 20] * 1_000}),
        ("score", {"text_1": "q" * 60, "text_2": ["d" * 250] * 24}),
        ("score", {"queries": ["q" * 200] * 3, "documents": ["d" * 300] * 3}),
        ("images/generations", {"prompt": "x", "size": "512x512", "n": 2}),
        ("images/generations", {"prompt": "x", "size": "auto"}),
    ]
    for path, body in calls:
        answer = post(path, body)
        assert answer.ok, answer.text
    counted = [(call["cost"], call["load"]) for call in to_workers(standin)]
    assert [cost for cost, _ in counted] == [pytest.approx(load) for _, load in counted]
    assert [round(load) for _, load in counted][:3] == [750, 250, 250]
    assert counted[3][1] == 4_000


def test_documents_are_ranked_and_pairs_scored(standin: StandIn) -> None:
    documents = ["a dog barked", "the cat sat", "nothing"]
    ranked = post("rerank", {"query": "the cat", "documents": documents, "top_n": 2}).json()
    assert ranked["results"][0]["index"] == 1
    assert len(ranked["results"]) == 2
    scored = post("score", {"text_1": "the cat", "text_2": documents}).json()
    scores = [each["score"] for each in scored["data"]]
    assert max(scores) == scores[1]
    assert [call["path"] for call in to_workers(standin)] == ["/v1/rerank", "/v1/score"]


def test_images_come_in_base64_and_as_urls(client: openai.OpenAI, standin: StandIn) -> None:
    plain = client.images.generate(model="gpt-image-1", prompt="a cat", size="256x256", n=2)
    assert plain.data
    images = [base64.b64decode(image.b64_json or "") for image in plain.data]
    assert len(images) == 2
    linked = client.images.generate(model="dall-e-3", prompt="a cat", size="256x256")
    assert linked.data
    (image,) = linked.data
    assert image.b64_json is None
    head, _, encoded = str(image.url).partition(",")
    assert head == "data:image/png;base64"
    for each in (*images, base64.b64decode(encoded)):
        assert each.startswith(PNG_BEGINS)
    asked = [call["payload"]["response_format"] for call in to_workers(standin)]
    assert asked == ["b64_json", "b64_json"]


MISSING, TYPE, VALUE = "missing_required_parameter", "invalid_type", "invalid_value"
REFUSED = {
    "no input": ("embeddings", {"model": "x"}, (MISSING, "input")),
    "input that is no text": ("embeddings", {"input": {"a": 1}}, (TYPE, "input")),
    "mixed input": ("embeddings", {"input": ["a", 1]}, (TYPE, "input[1]")),
    "another encoding": (
        "embeddings",
        {"input": "x", "encoding_format": "hex"},
        (VALUE, "encoding_format"),
    ),
    "no documents": ("rerank", {"query": "x"}, (MISSING, "documents")),
    "no second text": ("score", {"text_1": "x"}, (MISSING, "text_2")),
    "no prompt": ("images/generations", {"n": 1}, (MISSING, "prompt")),
    "a stream": (
        "images/generations",
        {"prompt": "x", "stream": True},
        ("unsupported_parameter", "stream"),
    ),
}


@pytest.mark.parametrize(("path", "body", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_served_is_refused_here(
    path: str, body: Any, error: tuple[str, str], standin: StandIn
) -> None:
    answer = post(path, body)
    assert answer.status_code == 400
    said = error_of(answer)
    assert (said["code"], said["param"]) == error
    assert said["type"] == "invalid_request_error"
    assert standin.calls() == []


def test_what_the_model_refuses_is_the_apps_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="x", input="x", dimensions=100_000)
    assert caught.value.param == "dimensions"


NO_ANSWERS = {
    "no data": ("embeddings", {"input": "x"}, {"object": "list"}),
    "fewer vectors": ("embeddings", {"input": ["x", "y"]}, of_machine(VECTORS[:1])),
    "no numbers": ("embeddings", {"input": "x"}, of_machine([["a"]])),
    "no base64": ("embeddings", {"input": "x"}, of_machine(["%"])),
    "another document": (
        "rerank",
        {"query": "x", "documents": ["y"]},
        {"results": [{"index": 1, "relevance_score": 1}]},
    ),
    "no scores": ("score", {"text_1": "x", "text_2": "y"}, {"data": []}),
    "no images": ("images/generations", {"prompt": "x"}, {"data": [{"url": "https://a/b.png"}]}),
    "no JSON": ("embeddings", {"input": "x"}, b"{"),
}


@pytest.mark.parametrize(("path", "body", "answer"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_an_answer_that_is_not_one_is_a_502(
    path: str, body: Any, answer: Any, served: Served
) -> None:
    served.answers(answer)
    got = post(path, {"model": "box-1", **body})
    assert got.status_code == 502
    assert error_of(got)["code"] == "bad_upstream_answer"
    assert APP_KEY not in got.text
