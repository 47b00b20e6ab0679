"""`POST rerank` and `POST score`: how many words two texts share.

Looked up in vLLM's public code, not recorded: the names under which `score` takes its texts, that
one text is compared with many or two lists in step, the shapes of both answers, and that
`rerank` sorts by relevance and cuts at `top_n`.
"""

from typing import Any

import msgspec

from ...mischief.exchange import ModelAnswer
from ...mischief.instructions import Instructions
from .. import refusals
from ..model_requests import AnyRequest, read_request
from ..vllm_answers import CREATED, Label, Object
from .embeddings import usage, words


class RerankRequest(AnyRequest, frozen=True, kw_only=True):
    """The fields of a request to order documents."""

    query: str | dict[str, Any]
    documents: str | list[str | dict[str, Any]]
    top_n: int = 0


class ScoreRequest(AnyRequest, frozen=True, kw_only=True):
    """The fields of a request for scores: one on each side of the pairs."""

    queries: str | list[str] | None = None
    text_1: str | list[str] | None = None
    data_1: str | list[str] | None = None
    documents: str | list[str] | None = None
    items: str | list[str] | None = None
    text_2: str | list[str] | None = None
    data_2: str | list[str] | None = None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs to compare. Raises Refusal."""
        one = _side(self.queries, self.text_1, self.data_1)
        other = _side(self.documents, self.items, self.text_2, self.data_2)
        if len(one) == 1:
            one *= len(other)
        if len(one) != len(other):
            raise refusals.bad_request("Input lengths must be either 1:1, 1:N or N:N")
        return list(zip(one, other, strict=True))


def rerank(body: bytes, label: Label) -> tuple[ModelAnswer, Instructions]:
    """Answers a request, and returns what it asks of the stand-in besides. Raises Refusal."""
    request = read_request(RerankRequest, body)
    request.check_model(label.model)
    documents = request.documents
    listed = documents if isinstance(documents, list) else [documents]
    query = _text(request.query)
    results: list[Object] = [
        {
            "index": index,
            "document": {
                "text": each if isinstance(each, str) else None,
                "multi_modal": None if isinstance(each, str) else each.get("content", []),
            },
            "relevance_score": relevance(query, _text(each)),
        }
        for index, each in enumerate(listed)
    ]
    results.sort(key=lambda result: -result["relevance_score"])
    counted = usage([query, *map(_text, listed)])
    answer: Object = {
        "id": f"rerank-{label.id}",
        "model": label.model,
        "usage": {name: counted[name] for name in ("prompt_tokens", "total_tokens")},
        "results": results[: request.top_n] if request.top_n > 0 else results,
    }
    return ModelAnswer([msgspec.json.encode(answer)]), request.told


def score(body: bytes, label: Label) -> tuple[ModelAnswer, Instructions]:
    """Answers a request, and returns what it asks of the stand-in besides. Raises Refusal."""
    request = read_request(ScoreRequest, body)
    request.check_model(label.model)
    pairs = request.pairs
    answer: Object = {
        "id": f"score-{label.id}",
        "object": "list",
        "created": CREATED,
        "model": label.model,
        "data": [
            {"index": index, "object": "score", "score": relevance(*pair)}
            for index, pair in enumerate(pairs)
        ],
        "usage": usage([" ".join(pair) for pair in pairs]),
    }
    return ModelAnswer([msgspec.json.encode(answer)]), request.told


def relevance(query: str, document: str) -> float:
    """How much two texts share: 1 for the same words, 0 for none in common."""
    one, other = set(words(query)), set(words(document))
    return 2 * len(one & other) / max(len(one) + len(other), 1)


def _side(*given: str | list[str] | None) -> list[str]:
    texts = next((each for each in given if each is not None), [])
    listed = [texts] if isinstance(texts, str) else texts
    if not listed:
        raise refusals.bad_request("At least one text element must be given")
    return listed


def _text(value: str | dict[str, Any]) -> str:
    """A text, or the texts among the parts of something that has images, too."""
    if isinstance(value, str):
        return value
    content = value.get("content")
    parts = content if isinstance(content, list) else []
    return " ".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
