"""The content view `Chat` for mitmweb, the console and mitmdump."""

import msgspec
from mitmproxy import http
from mitmproxy.contentviews import Contentview, Metadata, SyntaxHighlight

from ...openai_api.operations import BRIDGED, GENERATING, Operation, normalize_path
from ...openai_api.sse import EVENT_STREAM
from ...openai_api.usage import MOST_TOKENS
from ...telemetry.report import Ending
from ..notes import all_noted, noted
from .answer import ChatAnswer
from .assembly import assemble_stream, assemble_whole
from .extent import beginning, is_small_enough, made_small
from .layout import paragraphs, pretty_json
from .listed.views import Message, is_shown, operation_of
from .listed.views import answer_text as listed_answer
from .listed.views import request_text as listed_request
from .rendering import Circumstances, Times, answer_text, error_text
from .transcript import transcript

_UNDERSTOOD = 2.0  # mitmproxy's own view for JSON says 1
_NOT_UNDERSTOOD = -1.0
_BRIDGED = frozenset((each,) for each in BRIDGED)
_PREFIXES = frozenset({("v1",), ("openai",)})
_STORED = frozenset((*prefix, Operation.RESPONSES) for prefix in _PREFIXES)
# OpenAI's and Anthropic's.
_ERRORS = (b'{"error"', b'{"type":"error"')
_START = 64  # bytes that are looked at to see what something is


class ChatContentview(Contentview):
    """Shows what was said, embedded, spoken or painted, and anything else as it is."""

    @property
    def name(self) -> str:
        """The view's name in mitmproxy's lists."""
        return "Chat"

    @property
    def syntax_highlight(self) -> SyntaxHighlight:
        """Prose has no syntax to highlight."""
        return "none"

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        """How well the view fits. It is asked for every content, so it is fast; it never raises."""
        message, flow = metadata.http_message, metadata.flow
        if not isinstance(flow, http.HTTPFlow) or not data:
            return _NOT_UNDERSTOOD
        start = _start(data)
        operation, is_request = _listed(flow), message is flow.request
        if operation and (is_request or not start.startswith(_ERRORS)):
            listed = Message(data, metadata.content_type or "")
            shown = is_shown(operation, listed, is_request=is_request)
            return _UNDERSTOOD if shown else _NOT_UNDERSTOOD
        if _generates(flow):
            looks_right = start.startswith(b"{") or (
                message is flow.response and start.startswith((b"data:", b":", b"event:"))
            )
            return _UNDERSTOOD if looks_right else _NOT_UNDERSTOOD
        refused = message is flow.response and start.startswith(_ERRORS)
        return _UNDERSTOOD if refused and all_noted(flow) else _NOT_UNDERSTOOD

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        """The content as text. It never raises."""
        flow = metadata.flow if isinstance(metadata.flow, http.HTTPFlow) else None
        if flow and (text := _listed_text(flow, data, metadata)) is not None:
            return text
        small, stream = is_small_enough(data), _is_stream(data, metadata)
        if not stream and not small:
            shortened = made_small(data)
            if shortened is None:
                return beginning(data)
            data, small = shortened, True
        if small and (flow is None or metadata.http_message is not flow.response):
            text = transcript(data)
            if text is not None:
                return text
        answer = assemble_stream(data) if stream else assemble_whole(data)
        if answer is None and small:
            return pretty_json(data.decode(errors="replace"))
        if answer is None or (answer.left_out and not answer.choices):
            return beginning(data)
        about = _circumstances(flow, answer) if flow else Circumstances()
        if answer.error and not answer.choices and not answer.streamed:
            return paragraphs([error_text(answer.error, about), about.answered_by])
        return answer_text(answer, about)


def _start(data: bytes) -> bytes:
    return data[:_START].lstrip(b"\xef\xbb\xbf \t\r\n")


def _is_stream(data: bytes, metadata: Metadata) -> bool:
    return metadata.content_type == EVENT_STREAM or not _start(data).startswith((b"{", b"["))


def _generates(flow: http.HTTPFlow) -> bool:
    """Whether a flow is a call of an operation that generates text, by its path or what is noted.

    Web pages have paths that end in `messages`, too, so that the API's prefix counts.
    """
    segments = normalize_path(flow.request.path)
    if flow.request.method != "POST":
        # A response that was stored.
        return flow.request.method == "GET" and segments[-3:-1] in _STORED
    return (
        segments[-1:] == ("completions",)
        or (segments[-1:] in _BRIDGED and segments[-2:-1] in _PREFIXES)
        or noted(flow, "operation") in GENERATING
    )


def _listed(flow: http.HTTPFlow) -> Operation | None:
    """The listed operation that a flow is a call of, if any."""
    if flow.request.method != "POST":
        return None
    return operation_of(flow.request.path, noted(flow, "operation"))


def _listed_text(flow: http.HTTPFlow, data: bytes, metadata: Metadata) -> str | None:
    operation, message = _listed(flow), metadata.http_message
    if operation is None:
        return None
    if message is not flow.response:
        return listed_request(operation, Message(data, _content_type(flow.request)))
    request = Message(flow.request.get_content(strict=False) or b"", _content_type(flow.request))
    about = _circumstances(flow, ChatAnswer())
    return listed_answer(operation, Message(data, _content_type(flow.response)), request, about)


def _content_type(message: http.Message | None) -> str:
    return message.headers.get("content-type", "") if message else ""


class _Noted(Times, frozen=True):
    """What the interceptor has noted in a flow's metadata."""

    outcome: str | None = None
    endpoint: str | None = None
    error: str | None = None


def _circumstances(flow: http.HTTPFlow, answer: ChatAnswer) -> Circumstances:
    response = flow.response
    known = all_noted(flow)
    try:
        noted = msgspec.convert(known, _Noted)
    except msgspec.ValidationError:  # from a file that somebody has made
        known, noted = {}, _Noted()
    return Circumstances(
        who=_who(noted, flow) if known else flow.request.pretty_host,
        status=response.status_code if response else None,
        ended=bool(flow.error) or response is None or response.timestamp_end is not None,
        times=noted if known else _measured(flow, answer),
    )


def _measured(flow: http.HTTPFlow, answer: ChatAnswer) -> Times:
    """The times by mitmproxy's clock, for a call that the interceptor did not take over."""
    response, asked = flow.response, flow.request.timestamp_end
    began, over = (response.timestamp_start, response.timestamp_end) if response else (None, None)
    tokens = answer.tokens[1] if answer.streamed else None
    generating = _between(began, over)
    return Times(
        time_to_first_byte=_between(asked, began),
        duration=_between(asked, over),
        tokens_per_second=tokens / generating
        if isinstance(tokens, int) and 0 <= tokens <= MOST_TOKENS and generating
        else None,
    )


def _between(start: float | None, end: float | None) -> float | None:
    return max(end - start, 0.0) if start is not None and end is not None else None


def _who(noted: _Noted, flow: http.HTTPFlow) -> str:
    if noted.outcome == Ending.REFUSED:
        return "the interceptor"
    if noted.endpoint is None:
        here = noted.outcome in {Ending.OK, Ending.FAILED}
        return "the interceptor" if here else flow.request.pretty_host
    if noted.outcome == Ending.PASSED_ON:
        return f"the provider {noted.endpoint}"
    where = f"the endpoint {noted.endpoint}"
    # What is said of Vast is the interceptor's word for it.
    return f"the interceptor, for {where}" if (noted.error or "").startswith("vast_") else where
