"""What a flow says about its call, in mitmweb and in files: comment, marker and metadata."""

import re
from functools import lru_cache
from typing import Any

from mitmproxy import http

from ..mitm.borrowed import parse_url
from ..secret import mask_shapes
from ..telemetry.report import AMOUNTS, CallReport, Ending, facts_of
from ..telemetry.wording import comment
from .sent import forget_sent

METADATA = "vast"

# The fields of its report that a flow keeps.
_NOTED = (
    *("request_id", "outcome", "status", "model", "endpoint", "response_model", "stream"),
    *("attempts", "waited", "time_to_first_token", "duration", "longest_gap", "tokens_per_second"),
    *("prompt_tokens", "completion_tokens", *AMOUNTS, "left_out", "error"),
)

_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)

#: Names of emoji, as mitmproxy has them for `flow.marked`.
MARKERS = {
    Ending.OK: ":white_check_mark:",
    Ending.REFUSED: ":no_entry:",
    Ending.FAILED: ":x:",
    Ending.BROKEN_OFF: ":broken_heart:",
    Ending.CANCELLED: ":wave:",
    Ending.PASSED_ON: ":arrow_right:",
}


def note(flow: http.HTTPFlow, **facts: Any) -> None:
    """Adds facts to the flow's metadata. They are text, numbers and lists: flow files keep them."""
    flow.metadata[METADATA] = all_noted(flow) | _known(facts)


def begin_notes(flow: http.HTTPFlow, **facts: Any) -> None:
    """Replaces the flow's metadata by these facts, because a replay is another call."""
    if METADATA in flow.metadata:
        say(flow, "")
        if flow.marked in MARKERS.values():
            flow.marked = ""
    flow.metadata[METADATA] = _known(facts)
    forget_sent(flow)


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def all_noted(flow: http.HTTPFlow) -> dict[str, Any]:
    """The flow's metadata, of which a flow file may have made anything."""
    known = flow.metadata.get(METADATA)
    return known if isinstance(known, dict) else {}


def noted(flow: http.HTTPFlow, name: str) -> str | None:
    """A text from the flow's metadata, or None."""
    value = all_noted(flow).get(name)
    return value if isinstance(value, str) else None


def original_url(flow: http.HTTPFlow) -> str | None:
    """The URL that the app asked for, if the flow was taken over before."""
    url = noted(flow, "url")
    return url if url and _is_url(url) else None


@lru_cache(maxsize=256)
def _is_url(text: str) -> bool:
    try:
        parse_url(text)
    except ValueError:
        return False
    return True


def note_report(flow: http.HTTPFlow, report: CallReport) -> None:
    """Notes what became of the call: metadata, comment and marker."""
    facts = facts_of(report, _NOTED).items()
    note(flow, **{name: round(x, 4) if isinstance(x, float) else x for name, x in facts})
    say(flow, comment(report))
    mark(flow, report.outcome)


def say(flow: http.HTTPFlow, text: str) -> None:
    """Makes it the flow's comment, unless a person has written one."""
    if flow.comment in {"", noted(flow, "comment")}:
        flow.comment = text
        note(flow, comment=text)


def mark(flow: http.HTTPFlow, ending: Ending) -> None:
    """Marks the flow, unless a person has."""
    if not flow.marked:
        flow.marked = MARKERS[ending]


def unmark(flow: http.HTTPFlow, ending: Ending) -> None:
    """Removes the marker that `mark` has set."""
    if flow.marked == MARKERS[ending]:
        flow.marked = ""


def request_id_of(request: http.Request) -> str | None:
    """The request id that the app has set, if it is well-formed and looks like no key."""
    request_id = request.headers.get("x-request-id", "")
    good = _REQUEST_ID.fullmatch(request_id) and mask_shapes(request_id) == request_id
    return request_id if good else None
