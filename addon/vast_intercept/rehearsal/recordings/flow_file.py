"""The calls of a flow file of mitmproxy, with or without the interceptor's notes."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from mitmproxy import http
from mitmproxy.flow import Flow

from ...intercept.destination import Parts, destination_of
from ...intercept.message_keys import keys_in
from ...intercept.provider_call import parts_of, url_of
from ...mitm.flow_files import read_flows
from ...mitmweb.notes import all_noted, original_url
from ...secret import Secret
from ..calls import Answer, RecordedCall, Unusable
from .parts import (
    CodingError,
    for_a_person,
    header,
    is_stream,
    kept_headers,
    plausible_seconds,
    plausible_time,
    why_no_call,
    without_coding,
    without_keys,
)
from .strangers import Strangers


def calls_of_flow_file(file: BinaryIO, strangers: Strangers) -> Iterator[RecordedCall | Unusable]:
    """Each call of the file. What cannot be read of a damaged one is told in its place."""
    for number, flow in enumerate(read_flows(file), 1):
        place = f"flow {number}"
        if isinstance(flow, str):
            yield Unusable(place=place, why=for_a_person(flow))
        elif (found := _call_or_why(place, flow, strangers)) is not None:
            yield Unusable(place=place, why=found) if isinstance(found, str) else found


def _call_or_why(place: str, flow: Flow, strangers: Strangers) -> RecordedCall | str | None:
    """The flow's call, why it has none, or None if it goes to no provider."""
    try:
        if isinstance(flow, http.HTTPFlow):
            return _http_call(place, flow, strangers)
        address = flow.server_conn.address
        if address is None or strangers.has(*address[:2]):
            return None
        return f"It is a {flow.type.upper()} connection, and no HTTP call."
    # A damaged flow may hold any value anywhere, and mitmproxy looks at few.
    except Exception as error:  # noqa: BLE001
        return f"It is damaged ({type(error).__name__})."


def _http_call(place: str, flow: http.HTTPFlow, strangers: Strangers) -> RecordedCall | str | None:
    request = flow.request
    parts = _asked_for(flow, strangers)
    if strangers.has(*parts[1:3]):
        return None
    fields = request.headers.fields
    if why := why_no_call(request.method, fields, is_websocket=flow.websocket is not None):
        return why
    if request.raw_content is None:
        return "The body of its request was not recorded."
    try:
        body = without_coding(request.raw_content, header(fields, b"content-encoding"))
    except CodingError as error:
        return f"The body of its request {error}."
    keys = keys_in(fields, request.path)
    answer, problem = _answer(flow, keys)
    return RecordedCall(
        place=place,
        method=request.method,
        url=url_of(*parts),
        headers=kept_headers(fields),
        body=without_keys(body, keys),
        answer=answer,
        problem=problem,
        time=plausible_time(float(request.timestamp_start)),
    )


def _asked_for(flow: http.HTTPFlow, strangers: Strangers) -> Parts:
    """Where the app sent the call, if the interceptor has taken it over as well as otherwise."""
    if url := original_url(flow):
        return parts_of(url)
    return destination_of(flow, strangers.providers).parts


def _answer(flow: http.HTTPFlow, keys: Sequence[Secret]) -> tuple[Answer | None, str]:
    """What the recording has of the answer, and what is missing of it."""
    response = flow.response
    problem = f"{for_a_person(str(flow.error.msg))}." if flow.error else ""
    if response is None:
        return None, problem or "The recording ends before its answer."
    fields = response.headers.fields
    body = b""
    if response.raw_content is None:
        problem = problem or "The body of its answer was not recorded."
    else:
        try:
            body = without_coding(response.raw_content, header(fields, b"content-encoding"))
        except CodingError as error:
            problem = problem or f"The body of its answer {error}."
    content_type = header(fields, b"content-type")
    return (
        Answer(
            status=int(response.status_code),
            content_type=content_type,
            body=without_keys(body, keys),
            whole=not problem,
            time_to_first_token=_first_token(flow, response, content_type),
            duration=_between(flow.request.timestamp_end, response.timestamp_end),
        ),
        problem,
    )


def _first_token(flow: http.HTTPFlow, response: http.Response, content_type: str) -> float | None:
    """Seconds until a stream said something, as the interceptor noted it, or until it began."""
    if not (is_stream(content_type) or content_type.startswith("audio/")):
        return None  # the note is of the answer's first byte, which a whole answer may have as well
    noted = all_noted(flow).get("time_to_first_token")
    if isinstance(noted, int | float) and plausible_seconds(noted) is not None:
        return float(noted)
    return _between(flow.request.timestamp_end, response.timestamp_start)


def _between(start: float | None, end: float | None) -> float | None:
    """Seconds from one moment to a later one; None if they are not known, or in another order."""
    return plausible_seconds(end - start) if start and end else None
