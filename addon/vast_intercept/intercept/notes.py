"""What a flow says about its call: a comment, and `flow.metadata["vast"]`, both saved with it."""

from typing import Any

from mitmproxy import http

from ..relay.call import Call, Outcome

METADATA = "vast"


def note(flow: http.HTTPFlow, **facts: Any) -> None:
    """Adds facts to the flow's metadata. They are text, numbers and lists: flow files keep them."""
    known = flow.metadata.setdefault(METADATA, {})
    known.update({name: value for name, value in facts.items() if value is not None})


def original_url(flow: http.HTTPFlow) -> str | None:
    """The URL that the app asked for, if the flow was taken over before."""
    known = flow.metadata.get(METADATA)
    url = known.get("url") if isinstance(known, dict) else None
    return url if isinstance(url, str) else None


def note_outcome(flow: http.HTTPFlow, call: Call) -> None:
    """What became of the call, as data and as a line for people."""
    outcome = call.outcome
    note(
        flow,
        request_id=call.request_id,
        endpoint=outcome.endpoint,
        model=outcome.model,
        attempts=outcome.attempts or None,
        waited=round(outcome.waited, 3) or None,
        left_out=list(outcome.left_out) or None,
        error=outcome.error and outcome.error.code,
    )
    flow.comment = comment(outcome)


def comment(outcome: Outcome) -> str:
    """One line: who asked for what, where it went, what was changed or refused."""
    parts = []
    if outcome.endpoint:
        parts.append(f"{outcome.model or 'no model'} → {outcome.endpoint}")
    if outcome.waiting is not None:
        parts.append(f"waiting for a worker ({outcome.waiting or 'none is ready'})")
    elif outcome.waited:
        parts.append(f"waited {outcome.waited:.1f} s for a worker")
    if outcome.attempts > 1:
        parts.append(f"{outcome.attempts} attempts")
    if outcome.left_out:
        parts.append(f"left out: {', '.join(outcome.left_out)}")
    if outcome.error:
        parts.append(f"{outcome.error.code}: {outcome.error.message}")
    return "; ".join(parts)
