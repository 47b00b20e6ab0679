"""The end of a call: what its flow, the numbers and the log say of it."""

import logging
from urllib.parse import urlsplit

from mitmproxy import http

from ..mitm.master import is_read
from ..mitmweb.notes import note_report, noted, original_url
from ..relay.progress import Progress
from ..telemetry.call_log import log_call, log_left_out
from ..telemetry.monitor import Monitor
from ..telemetry.report import report_of


def tell_of_end(
    flow: http.HTTPFlow, progress: Progress, monitor: Monitor, *, left: bool = False
) -> None:
    """Notes, counts and logs what became of a call. `left`: its app took no whole answer."""
    status = flow.response.status_code if flow.response else None
    path = urlsplit(original_url(flow) or "").path
    report = report_of(progress, status, left=left, path=path)
    note_report(flow, report)
    monitor.ended(progress, report, noted(flow, "provider"))
    log_left_out(report)
    if is_read(logging.INFO):
        log_call(report)
