"""Where mitmproxy writes its log, and lines of it that are left out (FACTS M60)."""

import logging

from mitmproxy import ctx
from mitmproxy.addons.termlog import TermLogHandler
from mitmproxy.log import LegacyLogEvents, MitmFormatter


def terminal_handler() -> TermLogHandler | None:
    """What writes the log to the terminal; None in mitmproxy's console, which shows it itself."""
    termlog = ctx.master.addons.get("termlog")
    return termlog.logger if termlog else None


def own_formatter(handler: TermLogHandler) -> logging.Formatter:
    """The formatter that mitmproxy gave the handler in the beginning."""
    return MitmFormatter(handler.has_vt_codes)


def is_read(level: int) -> bool:
    """Whether anybody reads lines of the level.

    mitmproxy has one more handler, for addons with a hook that is deprecated. It asks all addons
    for each line, which takes as long as everything else that is done for the line.
    """
    return any(
        handler.level <= level and not isinstance(handler, LegacyLogEvents)
        for handler in logging.getLogger().handlers
    )


def leave_out_refused_certificates() -> None:
    """Leaves out mitmproxy's line for each connection whose client refuses the certificate.

    The hints say it once for each app, with its name and what helps.
    """
    logging.getLogger("mitmproxy.proxy.server").addFilter(_is_no_refusal)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Client TLS handshake failed. The client")


def leave_out_connections() -> None:
    """Leaves out mitmproxy's lines for each connection that begins or ends."""
    logging.getLogger("mitmproxy.proxy").setLevel(logging.WARNING)
