"""Which operation a request body asks for that stands alone, without its URL. Pure."""

import msgspec

from ...openai_api.operations import Operation

_OPENAI = "https://api.openai.com/v1"
_ANTHROPIC = "https://api.anthropic.com/v1"

# Members that only one of the operations has whose main member is the same.
_OF_MESSAGES = frozenset({"anthropic_version", "stop_sequences", "system"})
_OF_IMAGES = frozenset({"background", "output_format", "quality", "size", "style"})
_OF_EMBEDDINGS = frozenset({"dimensions", "encoding_format"})
#: All members that `url_of_body` looks at.
TELLING = frozenset(
    {
        *("documents", "input", "max_tokens", "messages", "model", "previous_response_id"),
        *("prompt", "query", "text_1", "text_2", "voice"),
        *(_OF_MESSAGES | _OF_IMAGES | _OF_EMBEDDINGS),
    }
)
_IMAGE_MODELS = ("dall-e", "gpt-image")
_EMBEDDING_MODELS = ("bge-", "embed")


def url_of_body(members: dict[str, msgspec.Raw]) -> str | None:
    """The URL that a body with these members is posted to, or None if they do not tell.

    >>> url_of_body({"model": msgspec.Raw(b'"gpt-4o"'), "messages": msgspec.Raw(b"[]")})
    'https://api.openai.com/v1/chat/completions'
    """
    operation = _operation(members, _model(members))
    if operation is None:
        return None
    return f"{_ANTHROPIC if operation is Operation.MESSAGES else _OPENAI}/{operation}"


def _operation(members: dict[str, msgspec.Raw], model: str) -> Operation | None:
    match members:
        case {"messages": _}:
            # Anthropic's API demands `max_tokens`.
            anthropic = model.startswith("claude") and "max_tokens" in members
            if anthropic or _OF_MESSAGES & members.keys():
                return Operation.MESSAGES
            return Operation.CHAT_COMPLETIONS
        case {"text_1": _, "text_2": _}:
            return Operation.SCORE
        case {"query": _, "documents": _}:
            return Operation.RERANK
        case {"input": _}:
            return _of_input(members, model)
        case {"prompt": prompt}:
            if bytes(prompt)[:1] == b"{":
                return Operation.RESPONSES  # a prompt that the provider stores
            if model.startswith(_IMAGE_MODELS) or _OF_IMAGES & members.keys():
                return Operation.IMAGES_GENERATIONS
            return Operation.COMPLETIONS
        case {"previous_response_id": _}:
            return Operation.RESPONSES
    return None


def _of_input(members: dict[str, msgspec.Raw], model: str) -> Operation:
    if "voice" in members:
        return Operation.AUDIO_SPEECH
    if "moderation" in model:
        return Operation.MODERATIONS
    if _OF_EMBEDDINGS & members.keys() or any(part in model for part in _EMBEDDING_MODELS):
        return Operation.EMBEDDINGS
    return Operation.RESPONSES


def _model(members: dict[str, msgspec.Raw]) -> str:
    try:
        return msgspec.json.decode(members.get("model", b'""'), type=str).lower()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
