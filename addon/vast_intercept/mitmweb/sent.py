"""What Vast was asked for a call, kept with its flow where that is not the app's own body.

A call of another API is made into a chat completion, with the history that it continues. Nobody can
tell that from the app's request alone. An upload becomes JSON, which is kept with its base64
shortened: the flow has the files already. It is in the flow's metadata, so that files have it, too.
"""

import zlib
from typing import Any

from mitmproxy import http

SENT = "vast_sent"

_BODY, _MADE_OF = "body", "made_of"


def keep_sent(flow: http.HTTPFlow, body: bytes) -> None:
    """Keeps the body that Vast gets for what the flow's request is now."""
    flow.metadata[SENT] = {_BODY: body, _MADE_OF: _checksum(flow)}


def forget_sent(flow: http.HTTPFlow) -> None:
    """Forgets what Vast got, because a replay is another call."""
    flow.metadata.pop(SENT, None)


def sent_of(flow: http.HTTPFlow) -> bytes | None:
    """The body that Vast got. None if it is not known, or the request was edited since."""
    known = _known(flow)
    return known[_BODY] if known and known.get(_MADE_OF) == _checksum(flow) else None


def size_of_sent(flow: http.HTTPFlow) -> int:
    """How many bytes are kept."""
    known = _known(flow)
    return len(known[_BODY]) if known else 0


def _known(flow: http.HTTPFlow) -> dict[str, Any] | None:
    """What is kept. A flow file may have made anything of it."""
    known = flow.metadata.get(SENT)
    return known if isinstance(known, dict) and isinstance(known.get(_BODY), bytes) else None


def _checksum(flow: http.HTTPFlow) -> int:
    # Only a change that a person has made is to be noticed.
    return zlib.crc32(flow.request.raw_content or b"")
