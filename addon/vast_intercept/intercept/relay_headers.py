"""Which headers go to the relay, and which come back: those of a connection stay on it.

The relay gets a request that is made for it, so that its HTTP server never judges what an app sent.
"""

import re

type Fields = tuple[tuple[bytes, bytes], ...]

#: What the relay reads of an app's request, besides the body.
_READ = frozenset({b"accept", b"content-encoding", b"content-type", b"origin"})
# "A sender MUST NOT generate a field with ... CR, LF or NUL; a recipient ... MUST either reject
# the message or replace each of those characters with SP" (RFC 9110, section 5.5). A folded value
# has them, too (RFC 9112, section 5.2).
_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]+")
# Of a connection, not of a message (RFC 9110, section 7.6.1).
_OF_THE_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection"})


def request_for_relay(
    asked: Fields, token: tuple[bytes, bytes], framing: tuple[bytes, bytes], *, only: bool
) -> Fields:
    """The headers of a request to the relay. `only`: no other request uses its connection."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in asked:
        lower = name.lower()
        if lower in _READ:
            clean = _CONTROLS.sub(b" ", value).strip()
            said = values.setdefault(lower, [])
            # Some clients add a content type that is there already. A body may be coded twice.
            if clean not in said or lower == b"content-encoding":
                said.append(clean)
    return (
        (b"host", b"relay"),
        token,
        framing,
        *((name, b", ".join(said)) for name, said in values.items()),
        *(((b"connection", b"close"),) if only else ()),
    )


def closes(version: str, asked: Fields) -> bool:
    """Whether the app's connection ends with the answer (RFC 9112, section 9.3).

    One of HTTP/1.0 always does: its client need not understand how an answer is framed.
    """
    if version == "HTTP/1.0":
        return True
    return version == "HTTP/1.1" and any(
        b"close" in map(bytes.strip, value.lower().split(b","))
        for name, value in asked
        if name.lower() == b"connection"
    )


def answer_for_app(version: str, asked: Fields, answered: Fields) -> Fields:
    """The headers of the relay's answer as they go to the app, on its own connection.

    `version` is the HTTP version and `asked` the headers of the app's request; `answered` are the
    headers that came from the relay.
    """
    if version not in {"HTTP/1.0", "HTTP/1.1"}:
        return answered  # mitmproxy leaves those of a connection out
    # An answer after which the other end closes is the last one on the app's connection as well:
    # mitmproxy uses a pair of connections together.
    last = closes(version, asked) or closes("HTTP/1.1", answered)
    if not last and not any(name.lower() in _OF_THE_CONNECTION for name, _ in answered):
        return answered
    # HTTP/1.0 has no chunks: what is of no known length ends with the connection.
    dropped = _OF_THE_CONNECTION | ({b"transfer-encoding"} if version == "HTTP/1.0" else set())
    kept = tuple(field for field in answered if field[0].lower() not in dropped)
    return (*kept, (b"connection", b"close")) if last else kept
