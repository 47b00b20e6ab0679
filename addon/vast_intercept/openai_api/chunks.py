"""Chunks of a stream that we make ourselves. Pure: values in, bytes out."""

import msgspec

from .operations import Operation

_LONGEST_MODEL = 200  # characters, since each chunk repeats the name


def empty_chunk(operation: Operation, request_id: str, model: str | None, created: int) -> bytes:
    """An event with a chunk that adds nothing to the answer, to keep a waiting stream alive.

    It is a complete chunk, since many clients fail on anything else. It has no role, since the
    answer's first chunk has one and some SDKs join the two (FACTS C25). `created` is Unix time in
    seconds.
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
