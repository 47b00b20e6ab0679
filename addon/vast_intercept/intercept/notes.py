"""What a flow says about its call: comment, marker, and `flow.metadata["vast"]`: saved with it."""

from typing import Any

from mitmproxy import http

from ..inspect.report import CallReport, Ending
from ..inspect.wording import comment

METADATA = "vast"

#: Names of emoji, as mitmproxy has them for `flow.marked`.
MARKERS = {
    Ending.OK: ":white_check_mark:",
    Ending.REFUSED: ":no_entry:",
    Ending.FAILED: ":x:",
    Ending.BROKEN_OFF: ":broken_heart:",
    Ending.CANCELLED: ":wave:",
    Ending.PASSED_ON: ":arrow_right:",
}

# Of a report: the rest is for the metrics, or in the flow anyway.
_FACTS = (
    *("request_id", "outcome", "status", "model", "endpoint", "response_model", "stream"),
    *("attempts", "waited", "time_to_first_token", "duration", "longest_gap"),
    *("tokens_per_second", "prompt_tokens", "completion_tokens", "left_out", "error"),
)


def note(flow: http.HTTPFlow, **facts: Any) -> None:
    """Adds facts to the flow's metadata. They are text, numbers and lists: flow files keep them."""
    known = flow.metadata.get(METADATA)
    if not isinstance(known, dict):
        known = flow.metadata[METADATA] = {}
    known.update({name: value for name, value in facts.items() if value is not None})


def begin_notes(flow: http.HTTPFlow, **facts: Any) -> None:
    """As `note`, in place of all that was noted before: a replay is another call."""
    say(flow, "")
    flow.metadata[METADATA] = {}
    note(flow, **facts)
    if flow.marked in MARKERS.values():
        flow.marked = ""


def noted(flow: http.HTTPFlow, name: str) -> str | None:
    """A text that was noted. What a flow file holds may be anything."""
    known = flow.metadata.get(METADATA)
    value = known.get(name) if isinstance(known, dict) else None
    return value if isinstance(value, str) else None


def original_url(flow: http.HTTPFlow) -> str | None:
    """The URL that the app asked for, if the flow was taken over before."""
    return noted(flow, "url")


def note_report(flow: http.HTTPFlow, report: CallReport) -> None:
    """What became of the call, as data and as a line for people."""
    facts = {name: _plain(getattr(report, name)) for name in _FACTS}
    note(flow, **{name: value for name, value in facts.items() if value not in ([], 0.0)})
    say(flow, comment(report))
    mark(flow, report.outcome)


def say(flow: http.HTTPFlow, text: str) -> None:
    """Makes it the flow's comment, unless a person has written one."""
    if flow.comment in {"", noted(flow, "comment")}:
        flow.comment = text
        note(flow, comment=text)


def mark(flow: http.HTTPFlow, ending: Ending) -> None:
    """Unless a person has marked it."""
    if not flow.marked:
        flow.marked = MARKERS[ending]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Ending) else value
