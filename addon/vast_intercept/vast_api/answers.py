"""Reading JSON that Vast answers with."""

import msgspec


class UnreadableError(ValueError):
    """An answer of Vast's that is not what the protocol says. The message says why."""


def decode[T](body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The value in the body. Raises UnreadableError."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(str(error)) from None
