"""The fields of a Responses request besides its input and its tools."""

from collections.abc import Iterator, Mapping

import msgspec

from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.members import NULL
from ...openai_api.outline import Buffer
from ...openai_api.reading import (
    check_text,
    decode,
    first_byte,
    invalid_type,
    invalid_value,
    is_null,
    missing,
    not_served,
)
from .asked import ENCRYPTED_REASONING, LOGPROBS

# https://platform.openai.com/docs/api-reference/responses/create, `include`
_INCLUDABLE = (
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    ENCRYPTED_REASONING,
    LOGPROBS,
)

# What the fields of a chat completion are called here.
_MOVED = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "functions": "tools",
    "function_call": "tool_choice",
}

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_VERBOSITIES = ("low", "medium", "high")
_TRUNCATIONS = ("auto", "disabled")
#: Commas of a body: as many values as it may have, and as many tokens as it has at least.
MAX_COMMAS = 1_000_000

_MOST_METADATA = 16
_MOST_LOGPROBS = 20


class Reasoning(msgspec.Struct):
    """`reasoning`: how much the model should think."""

    effort: str | None = None
    summary: str | None = None
    #: What `summary` was called before.
    generate_summary: str | None = None


class Format(msgspec.Struct):
    """`text.format`: the form of the answer."""

    type: str | None = None
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw = NULL
    strict: bool | None = None


class Text(msgspec.Struct):
    """`text`: how the answer should be written."""

    format: Format | None = None
    verbosity: str | None = None


class StreamOptions(msgspec.Struct):
    """`stream_options`, which have no effect: nothing is added to hide the lengths of texts."""

    include_obfuscation: bool | None = None


class Fields(msgspec.Struct):
    """All that a request may say. Other fields are ignored, as vLLM ignores them."""

    background: bool | None = None
    context_management: msgspec.Raw = NULL
    conversation: msgspec.Raw = NULL
    frequency_penalty: float | None = None
    include: list[str] | None = None
    input: msgspec.Raw = NULL
    instructions: msgspec.Raw = NULL
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    model: str | None = None
    parallel_tool_calls: bool | None = None
    presence_penalty: float | None = None
    previous_response_id: str | None = None
    prompt: msgspec.Raw = NULL
    prompt_cache_key: str | None = None
    reasoning: Reasoning | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    text: Text | None = None
    tool_choice: msgspec.Raw = NULL
    tools: msgspec.Raw = NULL
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: str | None = None
    user: str | None = None

    # Fields of chat completions, to say where they have gone.
    messages: msgspec.Raw = NULL
    max_tokens: msgspec.Raw = NULL
    max_completion_tokens: msgspec.Raw = NULL
    response_format: msgspec.Raw = NULL
    reasoning_effort: msgspec.Raw = NULL
    verbosity: msgspec.Raw = NULL
    functions: msgspec.Raw = NULL
    function_call: msgspec.Raw = NULL


# What the answer repeats as it was given.
_REPEATED = (
    "frequency_penalty",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt_cache_key",
    "safety_identifier",
    "store",
    "temperature",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)

# What a chat completion has under the same name.
_SAME = ("frequency_penalty", "presence_penalty", "temperature", "top_p", "user")

_fields = msgspec.json.Decoder(Fields)


def read_fields(body: Buffer) -> Fields:
    """Reads the body of a request. Raises ApiError (400) for a field that cannot be served."""
    check_text(body)
    if len(body) > MAX_COMMAS and body.count(b",") > MAX_COMMAS:
        raise bad_request(
            f"The request body has more than {MAX_COMMAS:,} commas. No model takes that: send less"
            " in one call.",
            ErrorCode.REQUEST_TOO_COMPLEX,
        )
    fields = decode(_fields, body, "")
    _check_served(fields)
    _check_words(fields)
    _check_amounts(fields)
    if not is_null(fields.instructions) and first_byte(fields.instructions) != b'"':
        raise invalid_type("instructions", "expected a text")
    if fields.text and fields.text.format:
        _check_format(fields.text.format)
    return fields


def _check_served(fields: Fields) -> None:
    for name, moved_to in _MOVED.items():
        if not is_null(getattr(fields, name)):
            raise bad_request(
                f"Unsupported parameter: {name!r}. In the Responses API, this parameter has moved"
                f" to {moved_to!r}.",
                ErrorCode.UNSUPPORTED_PARAMETER,
                name,
            )
    if fields.background:
        raise not_served("Vast cannot run a response in the background.", "background")
    if not is_null(fields.conversation):
        raise not_served(
            "The conversation is kept by OpenAI. Continue a response with 'previous_response_id',"
            " or send the conversation as 'input'.",
            "conversation",
        )
    if not is_null(fields.prompt):
        raise not_served("The prompt template is kept by OpenAI. Send its text.", "prompt")


def _check_words(fields: Fields) -> None:
    for index, name in enumerate(fields.include or ()):
        if name not in _INCLUDABLE:
            raise invalid_value(f"include[{index}]", name, _INCLUDABLE)
    if fields.truncation is not None and fields.truncation not in _TRUNCATIONS:
        raise invalid_value("truncation", fields.truncation, _TRUNCATIONS)
    effort = fields.reasoning.effort if fields.reasoning else None
    if effort is not None and effort not in _EFFORTS:
        raise invalid_value("reasoning.effort", effort, _EFFORTS)
    verbosity = fields.text.verbosity if fields.text else None
    if verbosity is not None and verbosity not in _VERBOSITIES:
        raise invalid_value("text.verbosity", verbosity, _VERBOSITIES)


def _check_amounts(fields: Fields) -> None:
    for name in ("max_output_tokens", "max_tool_calls"):
        value = getattr(fields, name)
        if value is not None and value < 1:
            raise _out_of_range(name, "an integer of at least 1")
    if fields.top_logprobs is not None and not 0 <= fields.top_logprobs <= _MOST_LOGPROBS:
        raise _out_of_range("top_logprobs", f"an integer from 0 to {_MOST_LOGPROBS}")
    if len(fields.metadata or ()) > _MOST_METADATA:
        raise _out_of_range("metadata", f"at most {_MOST_METADATA} entries")


def _out_of_range(name: str, expected: str) -> ApiError:
    return bad_request(f"Invalid {name!r}: expected {expected}.", ErrorCode.INVALID_VALUE, name)


def _check_format(form: Format) -> None:
    place = "text.format"
    match form.type:
        case None:
            raise missing(f"{place}.type")
        case "text" | "json_object":
            return
        case "json_schema":
            if not form.name:
                raise missing(f"{place}.name")
            if is_null(form.schema):
                raise missing(f"{place}.schema")
            if first_byte(form.schema) != b"{":
                raise invalid_type(f"{place}.schema", "expected an object (a JSON schema)")
        case _:
            kinds = ("text", "json_object", "json_schema")
            raise invalid_value(f"{place}.type", form.type, kinds)


def chat_fields(fields: Fields) -> dict[str, object]:
    """The fields of the chat completion besides messages and tools."""
    made: dict[str, object] = {
        name: value for name in _SAME if (value := getattr(fields, name)) is not None
    }
    if fields.max_output_tokens is not None:
        made["max_completion_tokens"] = fields.max_output_tokens
    if LOGPROBS in (fields.include or ()):
        made |= {"logprobs": True, "top_logprobs": fields.top_logprobs or 0}
    if fields.reasoning and fields.reasoning.effort is not None:
        made["reasoning_effort"] = fields.reasoning.effort
    if fields.text:
        if form := _response_format(fields.text.format):
            made["response_format"] = form
        if fields.text.verbosity is not None:
            made["verbosity"] = fields.text.verbosity
    if fields.stream:
        made |= {"stream": True, "stream_options": {"include_usage": True}}
    return made


def _response_format(form: Format | None) -> dict[str, object] | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "json_object"}
    schema: dict[str, object] = {"name": form.name, "schema": form.schema}
    if form.description is not None:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}


def left_out_fields(fields: Fields) -> Iterator[str]:
    """Fields that ask for something that does not happen."""
    if fields.truncation == "auto":
        yield "truncation"
    if not is_null(fields.context_management):
        yield "context_management"


def summary_of(fields: Fields) -> str | None:
    """Which summary of the reasoning the app asks for, such as "auto"; None or "" for none."""
    if fields.reasoning is None:
        return None
    return fields.reasoning.summary or fields.reasoning.generate_summary


def echoed_fields(fields: Fields, tools: list[msgspec.Raw]) -> Mapping[str, msgspec.Raw]:
    """The fields that OpenAI's response repeats, as far as the app gave them, in its form."""
    given: dict[str, object] = {
        name: value for name in _REPEATED if (value := getattr(fields, name)) is not None
    }
    given["model"] = fields.model or ""
    if not is_null(fields.instructions):
        given["instructions"] = fields.instructions
    if not is_null(fields.tool_choice):
        given["tool_choice"] = fields.tool_choice
    if tools:
        given["tools"] = tools
    if asked := fields.reasoning:
        given["reasoning"] = {"effort": asked.effort, "summary": summary_of(fields)}
    if fields.text:
        form = _repeated_format(fields.text.format)
        given["text"] = {"format": form, "verbosity": fields.text.verbosity or "medium"}
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in given.items()}


def _repeated_format(form: Format | None) -> dict[str, object]:
    if form is None or form.type in {"text", "json_object"}:
        return {"type": form.type if form else "text"}
    return {
        "type": "json_schema",
        "name": form.name,
        "description": form.description,
        "schema": form.schema,
        "strict": bool(form.strict),
    }
