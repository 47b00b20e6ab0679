"""Calls of `rerank` and `score`: what was compared, and the best of it first.

https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#score-api has both.
"""

from collections.abc import Iterator
from typing import Any

from ..layout import block, json_value, paragraphs, typed
from ..parameters import head_of
from ..rendering import Circumstances, facts_text
from .entries import at, beginning_of, bounded, number_of, tokens_of

# Names of what is compared, in the order of the request: a query with each document, or, for
# `score`, one text with several, or two lists of the same length.
_FIRST = ("query", "text_1", "queries", "data_1")
_SECOND = ("documents", "text_2", "items", "data_2")
_SHOWN_BESIDE = frozenset({*_FIRST, *_SECOND})


def request_text(request: dict[str, Any]) -> str:
    """The request: its parameters, the query and the documents."""
    return paragraphs(
        [
            head_of(request, elsewhere=_SHOWN_BESIDE, defaults={}),
            *(part for name in (*_FIRST, *_SECOND) for part in _texts(name, request.get(name))),
        ]
    )


def answer_text(body: bytes, request: dict[str, Any], about: Circumstances) -> str | None:
    """The answer as a ranked list with the documents. None if it is something else."""
    answer = typed(json_value(body), dict)
    results = answer.get("results") or answer.get("data")
    if not isinstance(results, list):
        return None
    entries = [typed(each, dict) for each in results]
    entries.sort(key=_score, reverse=True)
    facts = facts_text(
        about, typed(answer.get("model"), str), tokens=tokens_of(answer.get("usage"))
    )
    return paragraphs([*bounded(_ranked(entries, request), len(entries)), facts])


def _texts(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, list):
        shown = (block(f"{name} {n}", beginning_of(each)) for n, each in enumerate(value))
        yield from bounded(shown, len(value))
    elif value is not None:
        yield block(name, beginning_of(value))


def _ranked(entries: list[dict[str, Any]], request: dict[str, Any]) -> Iterator[str]:
    (first, firsts), (second, seconds) = (_there(request, names) for names in (_FIRST, _SECOND))
    for rank, entry in enumerate(entries, 1):
        index = entry.get("index")
        # Where there is one document and several texts, the index is the text's.
        name, compared = (second, seconds) if isinstance(seconds, list) else (first, firsts)
        text = at(compared, index)
        text = entry.get("document") if text is None else text
        counted = type(index) is int and number_of(index) is not None
        number = f" · {f'{name} {index}'.lstrip()}" if counted else ""
        head = f"{rank}. {_score(entry):.4g}{number}"
        yield block(head, beginning_of(text) if text is not None else "")


def _score(entry: dict[str, Any]) -> float:
    score = entry.get("relevance_score", entry.get("score"))
    number = number_of(score)
    return float("-inf") if number is None else number


def _there(request: dict[str, Any], names: tuple[str, ...]) -> tuple[str, Any]:
    """The first of the fields that the request has, and its value."""
    found = ((name, request[name]) for name in names if request.get(name) is not None)
    return next(found, ("", None))
