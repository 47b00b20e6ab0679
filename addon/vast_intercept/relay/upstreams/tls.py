"""Whom the relay trusts: the public CAs, or the user's own. Always verified."""

import ssl
from functools import lru_cache
from pathlib import Path

from ...certificates.public_cas import certificates, public_cas
from ...config import Config
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import misconfigured


def public_context(config: Config) -> ssl.SSLContext:
    """Trusts the public CAs and `vast.ca_file`, or only the latter with `vast.ca_only`.

    Raises ApiError if that cannot be used.
    """
    return _context(config.ca_file, config.ca_only)


def new_context(ca_file: Path | None, ca_only: bool) -> ssl.SSLContext:
    """As `public_context`, for whoever adds to it. Raises ApiError if `ca_file` cannot be used."""
    own = _own(ca_file) if ca_file else ""
    # With certificates, none but these are trusted.
    context = ssl.create_default_context(cadata=own if ca_only else "\n".join(public_cas()))
    if own:
        context.load_verify_locations(cadata=own)
    return context


_context = lru_cache(maxsize=8)(new_context)


def _own(ca_file: Path) -> str:
    """The certificates of the file, in PEM. Raises ApiError if it has none that can be used."""
    problem = "there is none in it that may be trusted"
    own = "\n".join(certificates([str(ca_file)]))
    try:
        if own:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=own)
            return own
        ca_file.read_bytes()
    except (OSError, ssl.SSLError) as error:
        problem = str(error)
    raise misconfigured(
        f"vast.ca_file: {ca_file} has no usable certificates: {problem}.",
        ErrorCode.CONFIGURATION_INVALID,
    )
