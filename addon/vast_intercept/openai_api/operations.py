"""What a path below an API's prefix asks for. Pure text in, a value out."""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote


class Operation(StrEnum):
    """OpenAI's operations, named as in its paths. `unsupported` in the configuration uses these."""

    CHAT_COMPLETIONS = "chat/completions"
    COMPLETIONS = "completions"
    MODELS = "models"

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
    RESPONSES = "responses"
    STORED_COMPLETIONS = "stored_completions"
    THREADS = "threads"
    UPLOADS = "uploads"
    VECTOR_STORES = "vector_stores"
    VIDEOS = "videos"
    OTHER = "other"


#: Operations that Vast serves (FACTS V1). Only `POST` makes them.
GENERATING = frozenset({Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS})

#: Operations that the configuration may reject or pass on.
UNSUPPORTED = tuple(
    operation for operation in Operation if operation not in GENERATING | {Operation.MODELS}
)

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


# What tells an operation at the end of a path that is outside of the API: a word, or two. Pages
# about models or an organization are no calls.
_AT_END = frozenset(Operation) - {
    Operation.FINE_TUNING,
    Operation.MODELS,
    Operation.ORGANIZATION,
    Operation.OTHER,
}
_OF_TWO_PARTS = frozenset({"audio", "chat", "images", "realtime", "threads"})
_DELIMITERS = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """What a request asks for: the operation, and the model if the path names one."""

    operation: Operation
    model: str | None = None


def normalize_path(path: str) -> tuple[str, ...]:
    """The segments of a path, without its query, the way a server would come to see them.

    Percent-encoding is undone within each segment, empty segments (`//`, a trailing slash) and dot
    segments are resolved (RFC 3986, section 5.2.4), so that no spelling of a path slips past a
    decision.
    """
    segments: list[str] = []
    for raw in path.partition("?")[0].partition("#")[0].split("/"):
        # mitmproxy stands a byte that is not UTF-8 for as half of a surrogate pair, which no JSON
        # and no flow file can hold.
        segment = unquote(raw.encode(errors="surrogateescape"))
        if segment == "..":
            if segments:
                segments.pop()
        elif segment not in {"", "."}:
            segments.append(segment)
    return tuple(segments)


def clean_path(path: str) -> str:
    """A path as it is sent on: one that a server may read otherwise is written as it was judged.

    A path without empty segments and dot segments stays as it is. The query always does.

    >>> clean_path("/v1//chat/%2e%2E/completions?a=..")
    '/v1/completions?a=..'
    """
    before, mark, query = path.partition("?")
    if path == "*" or (before.startswith("/") and not _UNCLEAN.search(before)):
        return path
    segments = (quote(segment, safe=_SEGMENT) for segment in normalize_path(before))
    return f"/{'/'.join(segments)}{mark}{query}"


def classify(method: str, segments: tuple[str, ...]) -> ApiCall:
    """What `method` on the path below the API's prefix asks for.

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
        case (first, *_):
            return ApiCall(_operation_named(first), model)
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
    """What a path asks for that is outside of the API, judged by its end; None for nothing known.

    A base URL without its `/v1` makes such paths. The method is POST. Whatever a server might take
    for a delimiter is one, and letters may be large.

    >>> at_end("/v2/Chat%2Fcompletions/")
    ApiCall(operation=<Operation.CHAT_COMPLETIONS: 'chat/completions'>, model=None)
    """
    words = _DELIMITERS.split("/".join(normalize_path(path)).lower())
    segments = tuple(word for part in words if (word := part.partition(";")[0].strip()))
    for length in (2, 1):
        call = classify("POST", segments[-length:])
        if call.operation in _AT_END and (length == 1 or segments[-2:][0] in _OF_TWO_PARTS):
            return call
    return None


def _operation_named(segment: str) -> Operation:
    if segment in _ALIASES:
        return _ALIASES[segment]
    try:
        operation = Operation(segment)
    except ValueError:
        return Operation.OTHER
    return operation if operation in UNSUPPORTED else Operation.OTHER
