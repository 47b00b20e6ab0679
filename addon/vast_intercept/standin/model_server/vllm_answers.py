"""Makes the answers of vLLM 0.32: from a request, one whole answer or the chunks of a stream.

The keys, also those whose value is null, come in vLLM's order, as `tests/recorded` has them.
"""

from dataclasses import dataclass
from hashlib import blake2s
from itertools import zip_longest
from typing import Any

from ..answering import Json
from .generate import Generated, GeneratedToolCall, generate_chat, generate_completion
from .model_requests import ChatRequest, CompletionRequest, ModelRequest

type Object = dict[str, Any]

# An answer depends on its request alone, so its time is always the same.
CREATED = 1_795_385_168
FINGERPRINT = "vllm-0.32.0-fa44b725"


@dataclass(frozen=True, slots=True)
class Label:
    """The ID and the model that an answer names, and the model's context in tokens."""

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
        """The ID of a tool call, which follows from the answer's ID."""
        digest = blake2s(f"{self.id}/{choice}/{call}".encode(), digest_size=8)
        return f"chatcmpl-tool-{digest.hexdigest()}"


def whole_of(request: ChatRequest | CompletionRequest, label: Label) -> Object:
    """The answer to a request, in one piece."""
    answers = _generate(request, label)
    end: Object = {"kv_transfer_params": None, "ec_transfer_params": None, "metrics": None}
    if isinstance(request, ChatRequest):
        head = label.of("chat.completion")
        choices = [
            _choice(each, index, {"message": _message(each, request, label, index)}, {})
            for index, each in enumerate(answers)
        ]
        end = {"prompt_logprobs": None, "prompt_token_ids": None, "prompt_text": None} | end
    else:
        head = label.of("text_completion")
        unknown = {"prompt_logprobs": None, "prompt_token_ids": None}
        choices = [
            _choice(each, index, {"text": "".join(each.pieces)}, unknown)
            for index, each in enumerate(answers)
        ]
    details = {"prompt_tokens_details": None, "completion_tokens_details": None}
    return {
        **head,
        "choices": choices,
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "usage": _usage(request, answers) | details,
        **end,
    }


def chunks_of(request: ChatRequest | CompletionRequest, label: Label) -> list[Object]:
    """The answer to a request, as the chunks of a stream. The last one has the fingerprint."""
    answers = _generate(request, label)
    chunks = []
    if isinstance(request, ChatRequest):
        head = label.of("chat.completion.chunk")
        for index in range(len(answers)):
            choice = _chat_choice(index, {"role": "assistant", "content": ""})
            prompt = {"prompt_token_ids": None, "prompt_text": None}
            chunks.append(head | {"choices": [choice]} | prompt)
        streams = [_chat_choices(each, request, label, index) for index, each in enumerate(answers)]
    else:
        head = label.of("text_completion")
        streams = [_completion_choices(each, index) for index, each in enumerate(answers)]
    # vLLM sends the chunks of several choices in turn: a token of each, and again.
    chunks += [
        head | {"choices": [choice]}
        for turn in zip_longest(*streams)
        for choice in turn
        if choice is not None
    ]
    if request.usage_wanted:
        chunks.append(head | {"choices": [], "usage": _usage(request, answers)})
    chunks[-1]["system_fingerprint"] = FINGERPRINT
    return chunks


def _generate(request: ChatRequest | CompletionRequest, label: Label) -> list[Generated]:
    if isinstance(request, ChatRequest):
        return [generate_chat(request, label.context)] * request.count
    return [
        generated
        for prompt in request.prompts
        for generated in [generate_completion(request, prompt, label.context)] * request.count
    ]


def _usage(request: ModelRequest, answers: list[Generated]) -> Object:
    prompt, answered = request.prompt_tokens, sum(generated.tokens for generated in answers)
    total = prompt + answered
    return {"prompt_tokens": prompt, "total_tokens": total, "completion_tokens": answered}


def _choice(generated: Generated, index: int, said: Object, unknown: Object) -> Object:
    """A choice of a whole answer. Only a completion's choices have `unknown` fields of a prompt."""
    return {
        "index": index,
        **said,
        "logprobs": None,
        "finish_reason": generated.finish_reason,
        "stop_reason": generated.stop_reason,
        "token_ids": None,
        **unknown,
        "routed_experts": None,
    }


def _message(generated: Generated, request: ChatRequest, label: Label, choice: int) -> Object:
    text = "".join(generated.pieces)
    message: Object = {
        "role": "assistant",
        "content": None if generated.calls and not text else text,
        **dict.fromkeys(("refusal", "annotations", "audio", "function_call")),
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
    return message | {request.told.reasoning_field: "".join(generated.reasoning) or None}


def _chat_choice(index: int, delta: Json) -> Object:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def _chat_choices(
    generated: Generated, request: ChatRequest, label: Label, index: int
) -> list[Object]:
    field = request.told.reasoning_field
    deltas: list[Object] = [{field: piece} for piece in generated.reasoning]
    deltas += [{"content": piece} for piece in generated.pieces]
    for number, call in enumerate(generated.calls):
        deltas += _call_deltas(call, number, label.tool_call_id(index, number))
    # An answer that runs out of tokens says so in its last chunk. One that ends by itself has one
    # more token, which has no text.
    if generated.finish_reason != "length" or not deltas:
        deltas.append({})
    choices = [_chat_choice(index, delta) | {"token_ids": None} for delta in deltas]
    last = _chat_choice(index, deltas[-1])
    last |= {"finish_reason": generated.finish_reason, "stop_reason": generated.stop_reason}
    choices[-1] = last | {"token_ids": None}
    return choices


def _call_deltas(call: GeneratedToolCall, index: int, call_id: str) -> list[Object]:
    # A withheld call costs its tokens as well, and vLLM sends a chunk for each.
    if call.withheld:
        return [{"content": None} for _ in range(call.tokens)]
    begin = {"id": call_id, "type": "function", "index": index, "function": {"name": call.name}}
    arguments = [{"index": index, "function": {"arguments": piece}} for piece in call.pieces]
    return [{"content": None, "tool_calls": [delta]} for delta in (begin, *arguments)]


def _completion_choices(generated: Generated, index: int) -> list[Object]:
    # As in a chat, the token that ends the text has no text.
    ended = generated.finish_reason != "length" or not generated.pieces
    pieces = [*generated.pieces, ""] if ended else generated.pieces
    ends = ("logprobs", "finish_reason", "stop_reason", "prompt_token_ids", "token_ids")
    empty: Object = {"index": index, "text": ""} | dict.fromkeys(ends)
    choices = [empty | {"text": piece} for piece in pieces]
    end = {"finish_reason": generated.finish_reason, "stop_reason": generated.stop_reason}
    choices[-1] |= end
    return choices
