"""Which operation of the API a method and a path ask for. Pure: text in, a value out."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from urllib.parse import quote, unquote


class Operation(StrEnum):
    """OpenAI's operations, named as in its paths and in `unsupported` of the configuration."""

    CHAT_COMPLETIONS = "chat/completions"
    COMPLETIONS = "completions"
    MODELS = "models"
    #: Served through chat completions.
    RESPONSES = "responses"
    MESSAGES = "messages"

    ASSISTANTS = "assistants"
    AUDIO = "audio"
    BATCHES = "batches"
    CHATKIT = "chatkit"
    CONTAINERS = "containers"
    CONVERSATIONS = "conversations"
    EDITS = "edits"
    EMBEDDINGS = "embeddings"
    EVALS = "evals"
    FILES = "files"
    FINE_TUNING = "fine_tuning"
    IMAGES = "images"
    MODERATIONS = "moderations"
    ORGANIZATION = "organization"
    REALTIME = "realtime"
    RERANK = "rerank"
    STORED_COMPLETIONS = "stored_completions"
    THREADS = "threads"
    TRACES = "traces"
    UPLOADS = "uploads"
    VECTOR_STORES = "vector_stores"
    VIDEOS = "videos"
    OTHER = "other"

    # Parts of the above, which an endpoint may be said to serve. `score` is vLLM's.
    AUDIO_SPEECH = "audio/speech"
    AUDIO_TRANSCRIPTIONS = "audio/transcriptions"
    AUDIO_TRANSLATIONS = "audio/translations"
    IMAGES_EDITS = "images/edits"
    IMAGES_GENERATIONS = "images/generations"
    SCORE = "score"


#: Operations that Vast serves (FACTS V1). Only `POST` makes them.
SERVED_BY_VAST = frozenset({Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS})

#: Operations that are served through chat completions, unless the configuration says otherwise.
BRIDGED = frozenset({Operation.RESPONSES, Operation.MESSAGES})

#: Operations whose calls generate text.
GENERATING = SERVED_BY_VAST | BRIDGED

_PARTS = frozenset(
    {
        Operation.AUDIO_SPEECH,
        Operation.AUDIO_TRANSCRIPTIONS,
        Operation.AUDIO_TRANSLATIONS,
        Operation.IMAGES_EDITS,
        Operation.IMAGES_GENERATIONS,
        Operation.SCORE,
    }
)

#: Operations that Vast's workers serve if their template says so (FACTS V14): those that `serves`
#: of an endpoint may list.
LISTED = _PARTS | {Operation.EMBEDDINGS, Operation.RERANK}

#: Operations that are answered and have no effect, unless the configuration says otherwise. With
#: traces, OpenAI's Agents SDK tells OpenAI of every prompt and answer (FACTS R28).
DROPPED = frozenset({Operation.TRACES})

#: Operations that are not served, unless the configuration passes them on.
UNSERVED = tuple(
    operation
    for operation in Operation
    if operation not in GENERATING | DROPPED | _PARTS | {Operation.MODELS}
)

#: Operations that the configuration may reject or pass on.
CONFIGURABLE = (*UNSERVED, *sorted(BRIDGED | DROPPED))

type Api = Literal["openai", "anthropic"]
"""In whose API a provider speaks: which paths it has, and what its errors look like."""

# Other names of the first part of a path.
_ALIASES = {
    "fine-tunes": Operation.FINE_TUNING,
    "image": Operation.IMAGES,
    "search": Operation.OTHER,
}


# What a segment may hold as it is, besides letters, digits and "-._~" (RFC 3986, section 3.3).
_SEGMENT = "!$&'()*+,;=:@"
# An empty segment but the last, or a dot segment, however it is written.
_UNCLEAN = re.compile(r"/(?:(?:\.|%2e){0,2}/|(?:\.|%2e){1,2}$)", re.IGNORECASE)


# Operations that are recognized by the last one or two segments of a path outside of the API. Web
# pages about models or an organization end like this, too, and are not calls.
_AT_END = frozenset(Operation) - {
    Operation.FINE_TUNING,
    Operation.MODELS,
    Operation.ORGANIZATION,
    Operation.OTHER,
    *_PARTS,
}
_OF_TWO_PARTS = frozenset({"audio", "chat", "images", "realtime", "threads", "traces"})
# What is posted to these holds a prompt.
_BEHIND_RESPONSES = frozenset({("responses", "compact"), ("responses", "input_tokens")})
_LISTED = {tuple(operation.split("/")): operation for operation in LISTED}
_DELIMITERS = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """The operation that a request asks for, and the model if the path names one.

    `rest` are the segments behind `responses`, `messages` or `traces`. `listed` is the operation
    that an endpoint may be said to serve: `audio/speech`, where `operation` is all of `audio`.
    """

    operation: Operation
    model: str | None = None
    rest: tuple[str, ...] = ()
    listed: Operation | None = None


def normalize_path(path: str) -> tuple[str, ...]:
    """The segments of a path, without its query, as a server would read them.

    Percent-encoding is decoded within each segment. Empty segments (`//`, a trailing slash) and dot
    segments are resolved (RFC 3986, section 5.2.4). So no other spelling of a path is decided
    differently.
    """
    segments: list[str] = []
    for raw in path.partition("?")[0].partition("#")[0].split("/"):
        # mitmproxy decodes with `surrogateescape`: a byte that is not UTF-8 becomes a lone
        # surrogate, which neither JSON nor a flow file can encode.
        segment = unquote(raw.encode(errors="surrogateescape"))
        if segment == "..":
            if segments:
                segments.pop()
        elif segment not in {"", "."}:
            segments.append(segment)
    return tuple(segments)


def clean_path(path: str) -> str:
    """The path that is sent on: written so that every server reads it as it was judged here.

    A path without empty and dot segments is left unchanged, and so is the query.

    >>> clean_path("/v1//chat/%2e%2E/completions?a=..")
    '/v1/completions?a=..'
    """
    before, mark, query = path.partition("?")
    if path == "*" or (before.startswith("/") and not _UNCLEAN.search(before)):
        return path
    segments = (quote(segment, safe=_SEGMENT) for segment in normalize_path(before))
    return f"/{'/'.join(segments)}{mark}{query}"


def classify(method: str, segments: tuple[str, ...], api: Api = "openai") -> ApiCall:
    """Classifies a request by its method and by the path's segments below the API's prefix.

    >>> classify("POST", ("engines", "davinci", "completions"))
    ApiCall(operation=<Operation.COMPLETIONS: 'completions'>, model='davinci')
    """
    model = None
    if segments[:1] == ("engines",):
        # The API of 2021: /v1/engines lists models, /v1/engines/{model}/... uses one.
        if len(segments) <= 2:
            segments = ("models", *segments[1:])
        else:
            model, segments = segments[1], segments[2:]

    match segments:
        case ("chat", "completions"):
            operation = Operation.CHAT_COMPLETIONS
        case ("completions",):
            operation = Operation.COMPLETIONS
        case ("chat", "completions", *_):
            return ApiCall(Operation.STORED_COMPLETIONS, model)
        case ("models",):
            operation = Operation.MODELS
        case ("models", *parts):
            # Names of models may hold slashes: /v1/models/meta-llama/Llama-3-8b
            operation, model = Operation.MODELS, "/".join(parts)
        case ("responses", *rest) if api == "openai":
            return ApiCall(Operation.RESPONSES, model, tuple(rest))
        case ("traces", *rest):
            return ApiCall(Operation.TRACES, model, tuple(rest))
        case ("messages", "batches", *_) if api == "anthropic":
            return ApiCall(Operation.BATCHES)
        case ("messages", *rest) if api == "anthropic":
            return ApiCall(Operation.MESSAGES, model, tuple(rest))
        case (first, *_):
            listed = _LISTED.get(segments) if method == "POST" else None
            return ApiCall(_operation_named(first), model, listed=listed)
        case _:
            return ApiCall(Operation.OTHER, model)

    if operation is Operation.MODELS:
        # DELETE /models/{id} removes a fine-tuned model.
        return ApiCall(operation if method in {"GET", "HEAD"} else Operation.FINE_TUNING, model)
    if method == "POST":
        return ApiCall(operation, model)
    if method == "GET" and operation is Operation.CHAT_COMPLETIONS:
        return ApiCall(Operation.STORED_COMPLETIONS, model)
    return ApiCall(Operation.OTHER, model)


def at_end(path: str) -> ApiCall | None:
    """Classifies a POST to a path outside of the API by its last segments; None if unknown.

    Such paths come from a base URL without its `/v1`. Every character that a server might take for
    a delimiter is one, and upper case is read as lower case.

    >>> at_end("/v2/Chat%2Fcompletions/")
    ApiCall(operation=<Operation.CHAT_COMPLETIONS: 'chat/completions'>, model=None)
    """
    words = _DELIMITERS.split("/".join(normalize_path(path)).lower())
    segments = tuple(word for part in words if (word := part.partition(";")[0].strip()))
    for length in (2, 1):
        call = classify("POST", segments[-length:])
        if call.operation in _AT_END and (length == 1 or _is_of_two_parts(segments[-2:])):
            return call
    return None


def _is_of_two_parts(segments: tuple[str, ...]) -> bool:
    return segments[0] in _OF_TWO_PARTS or segments in _BEHIND_RESPONSES


def _operation_named(segment: str) -> Operation:
    if segment in _ALIASES:
        return _ALIASES[segment]
    try:
        operation = Operation(segment)
    except ValueError:
        return Operation.OTHER
    return Operation.OTHER if operation in GENERATING | _PARTS else operation
