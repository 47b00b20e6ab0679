"""What vLLM answers when it refuses a request. Every message was recorded unless it says else."""

from ..answering import Json, Refusal

# vLLM names the parts that it knows, in this order.
_KNOWN_PARTS = (
    "audio_embeds, audio_url, image_embeds, image_pil, image_url, input_audio, input_image, "
    "input_text, output_text, prompt_embeds, refusal, text, thinking, tool_reference, "
    "video_embeds, video_url"
)


def unauthorized() -> Refusal:
    """The API key is wrong. Vast passes on what vLLM says to it."""
    return Refusal(401, {"error": "Unauthorized"})


def unreadable() -> Refusal:
    """The body is not text."""
    return Refusal(400, {"detail": "There was an error parsing the body"})


def bad_request(
    message: str, param: str | None = None, kind: str = "BadRequestError", status: int = 400
) -> Refusal:
    """vLLM understood the request, but does not serve it."""
    error: Json = {"message": message, "type": kind, "param": param, "code": status}
    return Refusal(status, {"error": error})


def bad_parameter(message: str, param: str, value: object) -> Refusal:
    """A bad request whose message ends with the name and the value of a parameter."""
    return bad_request(f"{message} (parameter={param}, value={value})", param)


def wrong_content_type() -> Refusal:
    """The request does not say that its body is JSON."""
    message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
    return bad_request(message, kind="Bad Request")


def invalid(
    kind: str, place: str, message: str, given: str, context: dict[str, str] | None = None
) -> Refusal:
    """pydantic's error about a body. `place` is where, such as `body.messages`; `given` is what."""
    details: dict[str, object] = {"type": kind, "loc": place, "msg": message, "input": given}
    if context:
        details["ctx"] = context
    return bad_request(f"1 validation error:\n  {details}", place, "Bad Request")


def unknown_model(model: str, served: str) -> Refusal:
    """The request names a model that this vLLM does not serve."""
    message = f"The model `{model}` does not exist. Valid aliases: {served}."
    return bad_request(message, "model", "NotFoundError", 404)


def max_tokens_too_large(max_tokens: int, context: int) -> Refusal:
    """More tokens are asked for than the model's context has."""
    message = (
        f"max_tokens={max_tokens} cannot be greater than max_model_len={context}. "
        "Please request fewer output tokens."
    )
    return bad_parameter(message, "max_tokens", max_tokens)


def prompt_too_long(context: int) -> Refusal:
    """The prompt does not fit. vLLM stops counting at the first token that is too many."""
    message = (
        f"This model's maximum context length is {context} tokens. However, your prompt contains "
        f"at least {context + 1} input tokens, which exceeds this limit even without any output "
        "tokens. Please reduce the length of the input prompt."
    )
    return bad_parameter(message, "input_tokens", context + 1)


def unknown_part(kind: str) -> Refusal:
    """A content part that vLLM does not know, such as OpenAI's `file`."""
    message = f"Unsupported chat content part type: {kind!r}. Supported types: {_KNOWN_PARTS}."
    return bad_parameter(message, "type", kind)


def not_multimodal(model: str) -> Refusal:
    """An image or audio for a model of text."""
    return bad_request(f"{model} is not a multimodal model")


def too_many_parts(modality: str) -> Refusal:
    """An image for a model that only hears, or audio for one that only sees.

    Looked up in vLLM's public code, not recorded.
    """
    message = f"At most 0 {modality}(s) may be provided in one prompt. (parameter={modality})"
    return bad_request(message, modality)
