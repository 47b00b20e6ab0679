"""The content view `Sent to Vast`: what the model got of a request, which a person may ask for."""

from mitmproxy import http
from mitmproxy.contentviews import Contentview, Metadata, SyntaxHighlight

from ...listed_operations.listed_call import done_at_once
from ...listed_operations.reading import read_json_call
from ...listed_operations.upload_reader import UPLOADS
from ...openai_api.errors import ApiError
from ...openai_api.operations import LISTED, SERVED_BY_VAST, Operation
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
        operation = noted(flow, "operation")
        # Other APIs are served through chat completions.
        served_as = operation if operation in SERVED_BY_VAST | LISTED else "chat/completions"
        size = "base64 shortened" if operation in UPLOADS else f"{len(body):,} bytes"
        head = f"{served_as}, {size}"
        if endpoint := noted(flow, "endpoint"):
            head += f", for {endpoint}"
        return paragraphs([head, pretty_json(body.decode(errors="replace"))])


def _made_of(data: bytes, flow: http.HTTPFlow) -> bytes | None:
    """What Vast gets for a request, unless it would have been kept for being more than that."""
    operation = noted(flow, "operation")
    if _is_providers(flow) or (operation in LISTED and _was_not_sent(flow)):
        return None
    try:
        if operation in SERVED_BY_VAST:
            return read_request(Operation(operation), data).body
        if operation in LISTED - UPLOADS:
            call = read_json_call(Operation(operation), data, None)
            return b"".join(done_at_once(call.for_worker()))
    except ApiError:
        pass
    return None


def _is_providers(flow: http.HTTPFlow) -> bool:
    """Whether the call went, in the end, to the provider that the app meant."""
    provider = noted(flow, "provider")
    return provider is not None and noted(flow, "endpoint") == provider


def _was_not_sent(flow: http.HTTPFlow) -> bool:
    known = all_noted(flow)
    return "outcome" in known and "attempts" not in known


def _why_not(flow: http.HTTPFlow) -> str:
    if _is_providers(flow):
        return "The call went to its provider, which got the app's own request."
    if "operation" not in all_noted(flow):
        return "This is no call that was made for Vast."
    if _was_not_sent(flow):
        return "Nothing was sent to Vast."
    if noted(flow, "operation") in UPLOADS:
        return (
            "It is not known what was sent: a server without Vast's worker gets an upload as a"
            " form, which is not kept. Or the request was edited since."
        )
    return "It is not known what was sent to Vast: it was too large to keep, or was edited since."
