"""Keys that must not be seen: how they are held, masked and compared."""

import hashlib
import hmac
import re
from collections.abc import Generator, Iterable, Iterator
from typing import NoReturn

#: The environment variable in which the Vast key is looked for first.
VAST_KEY_VARIABLE = "VAST_API_KEY"

# What stands for a key where it may be seen: its last four characters, if it has many more.
_SHOWN = 4
_MIN_LENGTH_TO_SHOW = 16
_MASKED = re.compile(rf"\*\*\*.{{0,{_SHOWN}}}", re.DOTALL)
# Shorter keys are looked for in no answer: numbers, base64 and audio have such by chance, and would
# be spoilt. Who could guess that a machine has the key "1234" learns nothing from it.
_MIN_LENGTH_TO_FIND = 8


def mask(key: str) -> str:
    """Masks a key, keeping its last four characters so that a person can tell keys apart.

    Masking a masked key changes nothing.

    >>> mask("sk-proj-0123456789abcdef")
    '***cdef'
    """
    if _MASKED.fullmatch(key):
        return key
    return f"***{key[-_SHOWN:]}" if len(key) >= _MIN_LENGTH_TO_SHOW else "***"


# Keys that can be told by how they begin: those of OpenAI and of most providers since, Google's,
# and JSON Web Tokens. A letter before them makes another word of it, such as "task-...". A digit
# does not: in "app/1sk-...", only a blank is missing. Whatever the text is, each part of it is
# looked at once: what must follow does not depend on a far dot.
KEY_SHAPED = re.compile(
    r"(?<![A-Za-z])(?:"
    r"(?:sk|pk|rk|csk|xai|nvapi|pplx)-[\w-]{16,}|(?:gsk|hf|fw|r8)_\w{16,}"
    r"|AIza[\w-]{30,}|eyJ[\w-]{15,}(?:\.[\w-]+){0,2})",
    re.ASCII,
)


def mask_shapes(text: str) -> str:
    """`text` with everything masked that looks like a key."""
    return KEY_SHAPED.sub(lambda match: mask(match[0]), text)


def sha256_of(key: str) -> str:
    """The SHA-256 of a key, in hexadecimal, as `clients.keys` lists it."""
    return hashlib.sha256(_encoded(key)).hexdigest()


def same_hash(one: str, other: str) -> bool:
    """Whether two hexadecimal hashes are equal, in constant time."""
    return hmac.compare_digest(one.lower(), other.lower())


_SEARCHED_AT_ONCE = 1024 * 1024
_NEWLINE = 0x0A


class Secret:
    """A key. Only `reveal` gives it away; text, `repr` and tracebacks show it masked."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the one place that sends it."""
        return self._value

    def redact(self, text: str) -> str:
        """`text` with every occurrence of the key masked."""
        return text.replace(self._value, mask(self._value)) if self._value else text

    def redact_bytes[B: bytes | bytearray](self, data: B) -> B:
        """`data` with every occurrence of the key masked."""
        value = _encoded(self._value)
        found = value and value in data
        return type(data)(data.replace(value, _encoded(mask(self._value)))) if found else data

    def __str__(self) -> str:
        return mask(self._value)

    def __repr__(self) -> str:
        return f"Secret({mask(self._value)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            _encoded(self._value), _encoded(other._value)
        )

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")


class Secrets:
    """Several keys, masked together."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[Secret, None] = {}  # in the order in which they came

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __iter__(self) -> Iterator[Secret]:
        return iter(self._keys)

    def add(self, *keys: Secret) -> None:
        """Adds keys to mask."""
        self._keys.update(dict.fromkeys(keys))

    def redact(self, text: str) -> str:
        """`text` with every key masked, and everything that looks like a key."""
        for key in self._keys:
            text = key.redact(text)
        return mask_shapes(text)

    def redact_bytes[B: bytes | bytearray](self, data: B) -> B:
        """`data` with every key masked."""
        for key in self._keys:
            data = key.redact_bytes(data)
        return data

    def redact_in_steps[B: bytes | bytearray](self, data: B) -> Generator[None, None, B]:
        """An answer with every key masked, in steps of a few milliseconds.

        Keys of fewer than eight characters stay: an answer may have them by chance.
        """
        for key in self._keys:
            value = _encoded(key.reveal())
            if len(value) < _MIN_LENGTH_TO_FIND:
                continue
            for start in range(0, len(data), _SEARCHED_AT_ONCE):
                if start:
                    yield
                if data.find(value, start, start + _SEARCHED_AT_ONCE + len(value) - 1) >= 0:
                    data = key.redact_bytes(data)
                    break
        return data

    def in_stream(self) -> "StreamMask":
        """What masks these keys in an answer that comes in pieces."""
        values = [_encoded(key.reveal()) for key in self._keys]
        return StreamMask([each for each in values if len(each) >= _MIN_LENGTH_TO_FIND])


class StreamMask:
    """Masks keys in bytes that come in pieces, wherever those are cut.

    What stands for a key is as long as the key, so that the declared length of the bytes stays
    true. Pieces without a key stay the objects that they are.
    """

    __slots__ = ("_held", "_keys")

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        # The longest first: one may begin as another does.
        self._keys = [(key, _same_length(key)) for key in sorted(keys, key=len, reverse=True)]
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """The bytes that are ready, perhaps none: what may begin a key waits for what follows."""
        if self._held:
            piece, self._held = self._held + piece, b""
        for key, masked in self._keys:
            if key in piece:
                piece = piece.replace(key, masked)
        # Events end with a newline, which no key has (see `is_sendable`).
        if piece and piece[-1] != _NEWLINE and (begun := self._begun(piece)):
            self._held = piece[-begun:]
            return piece[:-begun]
        return piece

    def end(self) -> bytes:
        """The bytes that still wait, once no more will come."""
        held, self._held = self._held, b""
        return held

    def _begun(self, piece: bytes) -> int:
        """How many bytes at the end may be the beginning of a key."""
        longest = 0
        for key, _ in self._keys:
            tail = piece[1 - len(key) :]
            at = tail.find(key[:1])
            while at >= 0 and not key.startswith(tail[at:]):
                at = tail.find(key[:1], at + 1)
            if at >= 0:
                longest = max(longest, len(tail) - at)
        return longest


def _same_length(key: bytes) -> bytes:
    shown = _SHOWN if len(key) >= _MIN_LENGTH_TO_SHOW else 0
    return b"*" * (len(key) - shown) + key[len(key) - shown :]


def _encoded(key: str) -> bytes:
    # A byte that is not UTF-8 comes as a lone surrogate.
    return key.encode("utf-8", "surrogateescape")


# RFC 9110, section 5.6.2 and 5.5: a field value has no control characters.
_SENDABLE = re.compile(r"[\x21-\x7e]+")


def is_sendable(key: str) -> bool:
    """Whether a key can stand in an HTTP header: printable ASCII without blanks."""
    return bool(_SENDABLE.fullmatch(key))
