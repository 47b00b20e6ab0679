"""Does what OpenAI's package can do with responses, and prints each result as JSON on a line."""

import json
from collections.abc import Callable
from typing import Any

import openai
from pydantic import BaseModel

MODEL = "gpt-5.5"
client = openai.OpenAI(max_retries=0)

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
RUN: Any = {"type": "custom", "name": "run_code", "description": "Runs code"}


class City(BaseModel):
    name: str
    people: int


def asked(answers: int) -> list[Any]:
    """A conversation in which the model has answered that often."""
    turn = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    return [*turn * answers, {"role": "user", "content": "hello there"}]


def create() -> Any:
    response = client.responses.create(model=MODEL, input="hello there", instructions="Be brief.")
    assert response.usage
    tokens = response.usage.total_tokens - response.usage.input_tokens
    said = [response.instructions, response.model, tokens == response.usage.output_tokens]
    return [response.status, response.output_text, *said]


def stream() -> Any:
    with client.responses.stream(model=MODEL, input="hello there") as events:
        seen = list(events)
        final = events.get_final_response()
    pieces = [each.delta for each in seen if each.type == "response.output_text.delta"]
    numbers = [each.sequence_number for each in seen]
    return [seen[0].type, pieces, numbers == list(range(len(seen))), final.output_text]


def parse() -> Any:
    response = client.responses.parse(model=MODEL, input="hello there", text_format=City)
    assert response.output_parsed
    return response.output_parsed.model_dump()


def parse_stream() -> Any:
    with client.responses.stream(model=MODEL, input="hello there", text_format=City) as events:
        parsed = events.until_done().get_final_response().output_parsed
    assert parsed
    return parsed.model_dump()


def outputs(response: Any) -> list[Any]:
    """What the tools say to the calls of a response."""
    return [
        {
            "type": "function_call_output",
            "call_id": item.call_id,
            "output": f"sunny in {json.loads(item.arguments)['city']}",
        }
        for item in response.output
        if item.type == "function_call"
    ]


def tools_with_state() -> Any:
    first = client.responses.create(model=MODEL, input="hello there", tools=[WEATHER])
    second = client.responses.create(
        model=MODEL, input=outputs(first), previous_response_id=first.id, tools=[WEATHER]
    )
    kinds = [item.type for item in first.output]
    stored = client.responses.retrieve(second.id)
    items = [item.type for item in client.responses.input_items.list(second.id, order="asc")]
    client.responses.delete(first.id)
    assert second.previous_response_id == first.id
    return [kinds, second.output_text, stored.output_text == second.output_text, items[-1]]


def tools_without_state() -> Any:
    conversation: list[Any] = asked(0)
    options: Any = {"store": False, "include": ["reasoning.encrypted_content"]}
    first = client.responses.create(model=MODEL, input=conversation, tools=[WEATHER], **options)
    reasoning = first.output[0]
    assert reasoning.type == "reasoning"
    conversation += [*first.output, *outputs(first)]
    second = client.responses.create(model=MODEL, input=conversation, tools=[WEATHER], **options)
    return [bool(reasoning.encrypted_content), second.output_text]


def tools_streamed() -> Any:
    with client.responses.stream(model=MODEL, input="hello there", tools=[WEATHER]) as events:
        first = events.until_done().get_final_response()
    with client.responses.stream(
        model=MODEL, input=outputs(first), previous_response_id=first.id, tools=[WEATHER]
    ) as events:
        return events.until_done().get_final_response().output_text


def custom_tool() -> Any:
    options: Any = {"model": MODEL, "tools": [RUN]}
    first = client.responses.create(input=asked(2), **options)
    (call,) = [item for item in first.output if item.type == "custom_tool_call"]
    output = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "1"}
    second = client.responses.create(input=[output], previous_response_id=first.id, **options)
    with client.responses.stream(input=asked(2), **options) as events:
        deltas = [each.delta for each in events if each.type.endswith("input.delta")]
    return [call.name, call.input, second.output_text, "".join(deltas)]


def bad_parameter() -> Any:
    content: Any = [{"type": "input_image", "image_url": "https://example.com/a.png"}]
    try:
        client.responses.create(model=MODEL, input=[{"role": "user", "content": content}])
    except openai.BadRequestError as error:
        return [error.status_code, error.param]


def unknown_response() -> Any:
    try:
        client.responses.retrieve("resp_0123456789abcdef")
    except openai.NotFoundError as error:
        return error.status_code


def unknown_previous_response() -> Any:
    try:
        client.responses.create(
            model=MODEL, input="hello there", previous_response_id="resp_0123456789abcdef"
        )
    except openai.APIStatusError as error:
        return [error.status_code, error.code, error.param]


def cut_stream() -> Any:
    """Its answer breaks off after some words."""
    kinds = set()
    raised = None
    try:
        for event in client.responses.create(model=MODEL, input=asked(4), stream=True):
            kinds |= {event.type}
    except openai.APIError as error:
        raised = type(error).__name__
    return [raised, "response.output_text.delta" in kinds, "response.completed" in kinds]


STEPS: list[Callable[[], Any]] = [
    *(create, stream, parse, parse_stream, tools_with_state, tools_without_state, tools_streamed),
    *(custom_tool, bad_parameter, unknown_response, unknown_previous_response, cut_stream),
]
for step in STEPS:
    try:
        result = step()
    except Exception as error:  # noqa: BLE001  (the other steps go on)
        result = f"{type(error).__name__}: {error}"
    print(json.dumps([step.__name__, result]), flush=True)
