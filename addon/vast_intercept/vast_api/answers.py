"""Reading JSON that Vast answers with."""

import msgspec

#: Statuses by which Vast refuses a key or a signature.
REFUSED = frozenset({401, 403})


class UnreadableError(ValueError):
    """An answer of Vast's that is not what the protocol says. The message says why."""


def decode[T](body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The value in the body. Raises UnreadableError."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(str(error)) from None
