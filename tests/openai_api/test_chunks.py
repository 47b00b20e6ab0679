"""The chunks that the interceptor makes itself."""

import json
from pathlib import Path

import pytest
from openai.types.chat import ChatCompletionChunk

from vast_intercept.openai_api.chunks import empty_chunk
from vast_intercept.openai_api.operations import GENERATING, Operation
from vast_intercept.openai_api.sse import Event, EventParser

RECORDED = Path(__file__).parents[1] / "recorded"


def made(operation: Operation, model: str | None = "gpt-4o") -> dict[str, object]:
    (event,) = EventParser().feed(empty_chunk(operation, "abc", model, 1_795_384_905))
    assert event == Event(event.data)
    chunk: dict[str, object] = json.loads(event.data)
    return chunk


def test_an_empty_chunk_of_a_chat() -> None:
    assert made(Operation.CHAT_COMPLETIONS) == {
        "id": "chatcmpl-abc",
        "object": "chat.completion.chunk",
        "created": 1_795_384_905,
        "model": "gpt-4o",
        "choices": [
            {"index": 0, "delta": {"content": ""}, "logprobs": None, "finish_reason": None}
        ],
    }
    ChatCompletionChunk.model_validate(made(Operation.CHAT_COMPLETIONS))


def test_an_empty_chunk_of_a_text() -> None:
    assert made(Operation.COMPLETIONS) == {
        "id": "cmpl-abc",
        "object": "text_completion",
        "created": 1_795_384_905,
        "model": "gpt-4o",
        "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": None}],
    }


@pytest.mark.parametrize(
    ("operation", "name"),
    [(Operation.CHAT_COMPLETIONS, "chat_stream"), (Operation.COMPLETIONS, "completions_stream")],
)
def test_an_empty_chunk_looks_like_those_of_vllm(operation: Operation, name: str) -> None:
    body = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))["response"]["body"]
    theirs = json.loads(EventParser().feed(body.encode())[1].data)
    ours = made(operation)
    for mine, vllms in ((ours, theirs), (ours["choices"][0], theirs["choices"][0])):  # type: ignore[index]
        assert {key: type(value) for key, value in mine.items()}.items() <= {
            key: type(value) for key, value in vllms.items()
        }.items()


@pytest.mark.parametrize("operation", sorted(GENERATING))
def test_the_name_of_the_model_may_be_anything(operation: Operation) -> None:
    assert made(operation, None)["model"] == ""
    assert made(operation, 'a\n\n"b"')["model"] == 'a\n\n"b"'
    assert len(empty_chunk(operation, "abc", "m" * 1_000_000, 1)) < 500
