"""Vast's OpenAI interface: one URL for an endpoint, and Vast does the rest (FACTS V1)."""

from urllib.parse import quote

from ..openai_api.operations import Operation


def operation_url(openai_url: str, endpoint: str, operation: Operation) -> str:
    """The URL of an endpoint's operation.

    >>> operation_url("https://openai.vast.ai", "my endpoint", Operation.CHAT_COMPLETIONS)
    'https://openai.vast.ai/my%20endpoint/v1/chat/completions'
    """
    return f"{openai_url}/{quote(endpoint, safe='')}/v1/{operation}"
