"""What aiohttp's servers log: faults of ours, and not that somebody sent what is no HTTP."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


def http_logger(name: str) -> logging.Logger:
    """The logger for a server. Whoever sends rubbish gets a 400, and no traceback into the log."""
    logger = logging.getLogger(f"{name}.http")
    if not logger.filters:
        logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
