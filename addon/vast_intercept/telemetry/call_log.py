"""The log: a line for each call, for people or, with `--set vast_log=json`, for machines."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..openai_api.operations import DROPPED
from ..warn_once import WarnOnce
from .report import CallReport, Ending
from .wording import log_line, printable

logger = logging.getLogger(__name__)
_warn = WarnOnce(logger)

# How `left_out` names the tools that a provider runs itself.
_TOOL = "tool "

TEXT = "text"
JSON = "json"

# Lines of JSON have none of these: some may quote the app or the model, others say nothing new.
_NOT_LOGGED = frozenset({"error_message", "prompt", "generating", "time", "upstream", "waits"})


def log_call(report: CallReport) -> None:
    """Writes the line of a call that has ended. Those that were dropped say nothing new."""
    dropped = report.operation in DROPPED and report.outcome is Ending.OK
    level = logging.DEBUG if dropped else logging.INFO
    logger.log(level, "%s", log_line(report), extra={"call": report})


def log_left_out(report: CallReport) -> None:
    """Warns once for each app and each tool that its calls are served without that tool."""
    app = printable(report.client or "an app")
    for what in report.left_out:
        if what.startswith(_TOOL):
            tool = printable(what.removeprefix(_TOOL))
            _warn(
                (app, tool),
                f"{app} offers the model the tool {tool}, which its provider runs and Vast does not"
                " have. Its calls are served without it. To refuse them, set `responses:"
                " {builtin_tools: reject}` in the configuration.",
            )


class JsonFormatter(logging.Formatter):
    """A line of JSON for each record: time (RFC 3339), level, message, and a call's facts."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if client := getattr(record, "client", None):
            line["client"] = ":".join(map(str, client[:2]))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if report := getattr(record, "call", None):
            facts = msgspec.to_builtins(report)
            line |= {
                name: round(value, 6) if isinstance(value, float) else value
                for name, value in facts.items()
                if value not in (None, ()) and name not in _NOT_LOGGED
            }
        # Not with msgspec, which fails on half of a surrogate pair: mitmproxy has such paths.
        return json.dumps(line)
