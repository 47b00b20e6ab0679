"""The content view `Sent to Vast`: what the model got of a request, which a person may ask for."""

from mitmproxy import http
from mitmproxy.contentviews import Contentview, Metadata, SyntaxHighlight

from ...openai_api.errors import ApiError
from ...openai_api.operations import SERVED_BY_VAST, Operation
from ...openai_api.requests import read_request
from ..notes import all_noted, noted
from ..sent import sent_of
from .contentview import ChatContentview
from .extent import beginning, is_small_enough
from .layout import paragraphs, pretty_json

_NEVER_BY_ITSELF = -1.0


class SentContentview(Contentview):
    """Shows the body that Vast got for a request, and answers as the view `Chat` does."""

    def __init__(self, chat: ChatContentview) -> None:
        self._chat = chat

    @property
    def name(self) -> str:
        """The view's name in mitmproxy's lists."""
        return "Sent to Vast"

    @property
    def syntax_highlight(self) -> SyntaxHighlight:
        """Answers are prose."""
        return "none"

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        """It is shown only if a person chooses it."""
        return _NEVER_BY_ITSELF

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        """The content as text. It never raises."""
        flow = metadata.flow
        if not isinstance(flow, http.HTTPFlow) or metadata.http_message is not flow.request:
            return self._chat.prettify(data, metadata)
        body = sent_of(flow)
        if body is None and is_small_enough(data):
            body = _made_of(data, flow)
        if body is None:
            return _why_not(flow)
        if not is_small_enough(body):
            return beginning(body)
        head = f"chat/completions, {len(body):,} bytes"
        if endpoint := noted(flow, "endpoint"):
            head += f", for {endpoint}"
        return paragraphs([head, pretty_json(body.decode(errors="replace"))])


def _made_of(data: bytes, flow: http.HTTPFlow) -> bytes | None:
    """What Vast gets for a request whose roles are not renamed: else it would have been kept."""
    operation = noted(flow, "operation")
    if operation not in SERVED_BY_VAST or _is_providers(flow):
        return None
    try:
        return read_request(Operation(operation), data).body
    except ApiError:
        return None


def _is_providers(flow: http.HTTPFlow) -> bool:
    """Whether the call went, in the end, to the provider that the app meant."""
    provider = noted(flow, "provider")
    return provider is not None and noted(flow, "endpoint") == provider


def _why_not(flow: http.HTTPFlow) -> str:
    known = all_noted(flow)
    if _is_providers(flow):
        return "The call went to its provider, which got the app's own request."
    if "operation" not in known:
        return "This is no call that was made for Vast."
    if "outcome" in known and "attempts" not in known:
        return "Nothing was sent to Vast."
    return "It is not known what was sent to Vast: it was too large to keep, or was edited since."
