"""The answers of vLLM 0.32, to the key: a request in, one answer or a stream's chunks out.

Keys that are null come too, in vLLM's order. `tests/recorded` has what it really sent.
"""

from dataclasses import dataclass
from hashlib import blake2s
from itertools import zip_longest
from typing import Any

from .generate import Generated, ToolCall, generate_chat, generate_completion
from .requests import Chat, Completion, Request
from .schema import Json

type Object = dict[str, Any]

# An answer follows from its request alone, so its time is always the same.
CREATED = 1_795_385_168
FINGERPRINT = "vllm-0.32.0-fa44b725"


@dataclass(frozen=True, slots=True)
class Label:
    """What an answer says about itself, and what it may not exceed."""

    id: str
    model: str
    context: int

    def of(self, kind: str) -> Object:
        """The keys with which every answer and every chunk begins."""
        return {
            "id": f"{'cmpl' if kind == 'text_completion' else 'chatcmpl'}-{self.id}",
            "object": kind,
            "created": CREATED,
            "model": self.model,
        }

    def tool_call_id(self, choice: int, call: int) -> str:
        """A name for a tool call that follows from the answer's."""
        digest = blake2s(f"{self.id}/{choice}/{call}".encode(), digest_size=8)
        return f"chatcmpl-tool-{digest.hexdigest()}"


def chat_whole(chat: Chat, label: Label) -> Object:
    """The answer to a chat, in one piece."""
    generated = generate_chat(chat, label.context)
    choices = [
        {
            "index": index,
            "message": _message(generated, label, index),
            "logprobs": None,
            "finish_reason": generated.finish_reason,
            "stop_reason": generated.stop_reason,
            "token_ids": None,
            "routed_experts": None,
        }
        for index in range(chat.count)
    ]
    return {
        **label.of("chat.completion"),
        "choices": choices,
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "usage": _usage(chat, generated.tokens * chat.count) | _USAGE_DETAILS,
        "prompt_logprobs": None,
        "prompt_token_ids": None,
        "prompt_text": None,
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }


def chat_chunks(chat: Chat, label: Label) -> list[Object]:
    """The answer to a chat, as the chunks of a stream."""
    generated = generate_chat(chat, label.context)
    head = label.of("chat.completion.chunk")
    chunks = [
        head
        | {"choices": [_chat_choice(index, {"role": "assistant", "content": ""})]}
        | {"prompt_token_ids": None, "prompt_text": None}
        for index in range(chat.count)
    ]
    streams = [_chat_choices(generated, label, index) for index in range(chat.count)]
    chunks += _in_turn(head, streams)
    return _with_end(chunks, head, chat, generated.tokens * chat.count)


def completion_whole(completion: Completion, label: Label) -> Object:
    """The answer to a completion, in one piece."""
    answers = _completions(completion, label)
    choices = [
        {
            "index": index,
            "text": "".join(generated.pieces),
            "logprobs": None,
            "finish_reason": generated.finish_reason,
            "stop_reason": generated.stop_reason,
            "token_ids": None,
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "routed_experts": None,
        }
        for index, generated in enumerate(answers)
    ]
    return {
        **label.of("text_completion"),
        "choices": choices,
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "usage": _usage(completion, _total(answers)) | _USAGE_DETAILS,
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }


def completion_chunks(completion: Completion, label: Label) -> list[Object]:
    """The answer to a completion, as the chunks of a stream."""
    answers = _completions(completion, label)
    head = label.of("text_completion")
    streams = [_completion_choices(generated, index) for index, generated in enumerate(answers)]
    return _with_end(_in_turn(head, streams), head, completion, _total(answers))


_USAGE_DETAILS = {"prompt_tokens_details": None, "completion_tokens_details": None}


def _usage(request: Request, completion_tokens: int) -> Object:
    prompt_tokens = request.prompt_tokens
    return {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
    }


def _total(answers: list[Generated]) -> int:
    return sum(generated.tokens for generated in answers)


def _completions(completion: Completion, label: Label) -> list[Generated]:
    return [
        generated
        for prompt in completion.prompts
        for generated in [generate_completion(completion, prompt, label.context)] * completion.count
    ]


def _message(generated: Generated, label: Label, choice: int) -> Object:
    text = "".join(generated.pieces)
    message: Object = {
        "role": "assistant",
        "content": None if generated.calls and not text else text,
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
    }
    calls = [
        {
            "id": label.tool_call_id(choice, index),
            "type": "function",
            "function": {"name": call.name, "arguments": "".join(call.pieces)},
        }
        for index, call in enumerate(generated.calls)
        if not call.withheld
    ]
    if calls:
        message["tool_calls"] = calls
    return message | {"reasoning": None}


def _chat_choice(index: int, delta: Json) -> Object:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def _chat_choices(generated: Generated, label: Label, index: int) -> list[Object]:
    deltas: list[Object] = [{"content": piece} for piece in generated.pieces]
    for number, call in enumerate(generated.calls):
        deltas += _call_deltas(call, number, label.tool_call_id(index, number))
    # What ends for want of tokens says so in its last chunk. What ends by itself has one more
    # token, of which nothing is to be seen.
    if generated.finish_reason != "length" or not deltas:
        deltas.append({})
    choices = [_chat_choice(index, delta) | {"token_ids": None} for delta in deltas]
    last = _chat_choice(index, deltas[-1])
    last |= {"finish_reason": generated.finish_reason, "stop_reason": generated.stop_reason}
    choices[-1] = last | {"token_ids": None}
    return choices


def _call_deltas(call: ToolCall, index: int, call_id: str) -> list[Object]:
    # A withheld call costs its tokens all the same, and vLLM sends a chunk for each.
    if call.withheld:
        return [{"content": None} for _ in range(call.tokens)]
    begin = {
        "id": call_id,
        "type": "function",
        "index": index,
        "function": {"name": call.name},
    }
    arguments = [{"index": index, "function": {"arguments": piece}} for piece in call.pieces]
    return [{"content": None, "tool_calls": [delta]} for delta in (begin, *arguments)]


def _completion_choices(generated: Generated, index: int) -> list[Object]:
    # As above: the token that ends the text has no text.
    ended = generated.finish_reason != "length" or not generated.pieces
    pieces = [*generated.pieces, ""] if ended else generated.pieces
    choices: list[Object] = [
        {
            "index": index,
            "text": piece,
            "logprobs": None,
            "finish_reason": None,
            "stop_reason": None,
            "prompt_token_ids": None,
            "token_ids": None,
        }
        for piece in pieces
    ]
    choices[-1]["finish_reason"] = generated.finish_reason
    choices[-1]["stop_reason"] = generated.stop_reason
    return choices


def _in_turn(head: Object, streams: list[list[Object]]) -> list[Object]:
    """The chunks of several choices, as vLLM sends them: a token of each, and again."""
    return [
        head | {"choices": [choice]}
        for turn in zip_longest(*streams)
        for choice in turn
        if choice is not None
    ]


def _with_end(chunks: list[Object], head: Object, request: Request, tokens: int) -> list[Object]:
    """The last chunk, whichever that is, has the fingerprint."""
    if request.usage_wanted:
        chunks.append(head | {"choices": [], "usage": _usage(request, tokens)})
    chunks[-1]["system_fingerprint"] = FINGERPRINT
    return chunks
