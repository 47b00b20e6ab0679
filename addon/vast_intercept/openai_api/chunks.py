"""Chunks of a stream that are ours: pure, values in, bytes out."""

import msgspec

from .operations import Operation

_LONGEST_MODEL = 200  # characters: each chunk repeats the name


def empty_chunk(operation: Operation, request_id: str, model: str | None, created: int) -> bytes:
    """A chunk that adds nothing to an answer, for an app that waits for its first one.

    It is a chunk like any other because many clients fail on everything else, and has no role
    because the answer's own first chunk has it: some SDKs join the two (FACTS C25).
    """
    choice: dict[str, object] = {"index": 0}
    if operation is Operation.CHAT_COMPLETIONS:
        kind, prefix = "chat.completion.chunk", "chatcmpl"
        choice["delta"] = {"content": ""}
    else:
        kind, prefix = "text_completion", "cmpl"
        choice["text"] = ""
    chunk = {
        "id": f"{prefix}-{request_id}",
        "object": kind,
        "created": created,
        "model": (model or "")[:_LONGEST_MODEL],
        "choices": [{**choice, "logprobs": None, "finish_reason": None}],
    }
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
