"""Generates answers without a model: everything follows from the request."""

import json
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from ..mischief.instructions import ScriptedCall
from . import refusals, tokens
from .model_requests import ChatRequest, CompletionRequest, ModelRequest, Tool
from .schema import instance


@dataclass(frozen=True, slots=True)
class GeneratedToolCall:
    """A tool call. Its name is one token, and its arguments are the other tokens."""

    name: str
    pieces: list[str]
    withheld: bool = False

    @property
    def tokens(self) -> int:
        """The number of tokens that the call takes."""
        return 1 + len(self.pieces)


@dataclass(frozen=True, slots=True)
class Generated:
    """The tokens of one choice."""

    pieces: list[str]
    calls: list[GeneratedToolCall]
    finish_reason: str
    stop_reason: str | None = None
    echoed: int = 0
    reasoning: list[str] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """The number of tokens. The token that ends an answer counts as well."""
        seen = len(self.reasoning) + len(self.pieces) - self.echoed
        seen += sum(call.tokens for call in self.calls)
        return seen if self.finish_reason == "length" else seen + 1


def generate_chat(chat: ChatRequest, context: int) -> Generated:
    """The answer to a chat: a text, calls of tools, or both.

    Raises Refusal if it was told to call a tool by a pattern that none of the tools matches.
    """
    calls = _calls(chat)
    told = _told(chat)
    pieces = told if told is not None else [] if calls else tokens.split(_chat_text(chat))
    # As recorded: a named call ends with "stop", an automatic or required one does not.
    named = isinstance(chat.tool_choice, Tool)
    finish_reason = "tool_calls" if calls and not named else "stop"
    finish_reason = chat.told.finish_reason or finish_reason
    reasoning = tokens.split(chat.told.reasoning or "")
    generated = Generated(pieces, calls, finish_reason, reasoning=reasoning)
    return _limited(generated, chat, context)


def generate_completion(completion: CompletionRequest, prompt: str, context: int) -> Generated:
    """The answer to one prompt of a completion."""
    pieces = _told(completion)
    if pieces is None:
        pieces = tokens.split(f" You wrote: {tokens.quote(prompt)}")
    generated = _limited(Generated(pieces, [], "stop"), completion, context)
    if completion.echo:
        return replace(generated, pieces=[prompt, *generated.pieces], echoed=1)
    return generated


def _told(request: ModelRequest) -> list[str] | None:
    if request.told.chunks is not None:
        return [f"w{index} " for index in range(request.told.chunks)]
    if request.told.text is not None:
        return tokens.split(request.told.text)
    return None


def _chat_text(chat: ChatRequest) -> str:
    if chat.response_format and chat.response_format.type == "json_schema":
        wanted = chat.response_format.json_schema
        return json.dumps(instance(wanted.schema if wanted else {}), ensure_ascii=False)
    said = next((each.text for each in reversed(chat.messages) if each.role == "user"), "")
    answer = f"You said: {tokens.quote(said)}{chat.media}"
    if _last_is_tool(chat):
        answer = f"The tool says: {tokens.quote(chat.messages[-1].text)}"
    if chat.response_format and chat.response_format.type == "json_object":
        return json.dumps({"answer": answer}, ensure_ascii=False)
    return answer


def _last_is_tool(chat: ChatRequest) -> bool:
    return bool(chat.messages) and chat.messages[-1].role == "tool"


def _calls(chat: ChatRequest) -> list[GeneratedToolCall]:
    """The calls to make: of the first tool or of the named one, or as many as told."""
    tools = chat.tools or []
    forced = chat.tool_choice == "required"
    if isinstance(chat.tool_choice, Tool):
        named = chat.tool_choice.function.name
        tools = [tool for tool in tools if tool.function.name == named]
        forced = True
    elif chat.tool_choice == "none":
        return []
    count = chat.told.tool_calls
    if count is None:
        # There is no call if a text is wanted, or after the result of a call, unless one is forced.
        has_text = chat.told.text is not None or chat.told.chunks is not None
        count = 1 if forced or not (has_text or _last_is_tool(chat)) else 0
    if isinstance(count, list):
        calls = [_scripted_call(call, tools) for call in count]
    else:
        calls = [_call(tools[index % len(tools)]) for index in range(count)] if tools else []
    if chat.parallel_tool_calls is False:
        calls[1:] = [replace(call, withheld=True) for call in calls[1:]]
    return calls


def _scripted_call(call: ScriptedCall, tools: list[Tool]) -> GeneratedToolCall:
    name = call.name
    if any(character in name for character in "*?["):
        offered = [tool.function.name for tool in tools]
        matching = next((each for each in offered if fnmatchcase(each, call.name)), None)
        if matching is None:
            message = f"The script calls {name!r}, but the request offers {offered}."
            raise refusals.bad_request(message, "standin.tool_calls")
        name = matching
    arguments = call.arguments
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return GeneratedToolCall(name, tokens.split(arguments))


def _call(tool: Tool) -> GeneratedToolCall:
    parameters = tool.function.parameters or {"type": "object"}
    arguments = json.dumps(instance(parameters), ensure_ascii=False)
    return GeneratedToolCall(tool.function.name, tokens.split(arguments))


def _limited(generated: Generated, request: ModelRequest, context: int) -> Generated:
    """Cuts an answer at the `stop` texts and at the limits of tokens."""
    generated = _stopped(generated, request.stops)
    # "A prompt plus max_tokens just above [the context] is cut silently", as recorded.
    room = context - request.prompt_tokens
    limit = room if request.limit is None else min(request.limit, room)
    if limit >= generated.tokens:
        return generated
    reasoning = generated.reasoning[:limit]
    limit -= len(reasoning)
    pieces = generated.pieces[:limit]
    limit -= len(pieces)
    calls = []
    for call in generated.calls:
        if limit < 1:
            break
        calls.append(replace(call, pieces=call.pieces[: limit - 1]))
        limit -= calls[-1].tokens
    cut = replace(generated, reasoning=reasoning, pieces=pieces, calls=calls)
    return replace(cut, finish_reason="length", stop_reason=None)


def _stopped(generated: Generated, stops: list[str]) -> Generated:
    if not stops:
        return generated
    whole = "".join(generated.pieces)
    found = [(whole.find(stop), stop) for stop in stops if stop and stop in whole]
    if not found:
        return generated
    length, stop = min(found)
    pieces = tokens.cut(generated.pieces, length)
    return replace(generated, pieces=pieces, calls=[], finish_reason="stop", stop_reason=stop)
