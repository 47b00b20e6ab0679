"""Decodes the content codings of requests, in steps (RFC 9110, section 8.4.1)."""

import zlib
from collections.abc import Callable, Generator
from typing import NamedTuple

import brotli
import zstandard

from .error_codes import ErrorCode
from .errors import ApiError, bad_request
from .limits import MAX_BRIDGED, MAX_DECOMPRESSED, STEP
from .outline import Buffer

# RFC 9659: the window that a decoder of the coding `zstd` must support, and the largest allowed.
_ZSTD_WINDOW = 8 * 1024 * 1024

_CODINGS = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})

# RFC 1952, section 2.2: "A gzip file consists of a series of members". RFC 8878, section 3: frames.
_MAGIC = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_MAX_MEMBERS = 1_000
_COST_OF_MEMBER = 1024  # of making a decompressor, in bytes that take as long


class _TooLargeError(Exception):
    """The decoded body is larger than the limit."""


def decode_content(body: Buffer, coding: str, limit: int) -> Generator[None, None, Buffer]:
    """Decodes the body in steps of a few milliseconds each. Raises ApiError (400 or 413).

    `coding` is the header `content-encoding`. The decoded body may have `limit` or
    `MAX_DECOMPRESSED` bytes, whichever is less; decoding stops there.
    """
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        return body
    if coding not in _CODINGS:
        raise bad_request(
            f"The request body has the content encoding {coding[:100]!r}, which is not supported:"
            " send it as it is, or with gzip, deflate, br or zstd.",
            ErrorCode.UNSUPPORTED_ENCODING,
        )
    most = min(limit, MAX_DECOMPRESSED)
    try:
        return (yield from _decompress(body, coding, most))
    except _TooLargeError:
        raise bad_request(
            f"The request body becomes larger than {most:,} bytes when its content encoding is"
            " undone, which is more than a compressed body may become. Send it without a content"
            " encoding, or send less.",
            ErrorCode.REQUEST_TOO_LARGE,
            status=413,
        ) from None
    except (ValueError, zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise bad_request(
            f"The request body is not valid {coding}: {error}.", ErrorCode.INVALID_ENCODING
        ) from None


def request_too_large(limit: int) -> ApiError:
    """The 413 that states the limit in bytes and how to raise it."""
    return bad_request(
        f"The request body is larger than {limit:,} bytes. The limit is mitmproxy's option"
        " stream_large_bodies: raise it where the interceptor is started, for example with"
        " --set stream_large_bodies=200m.",
        ErrorCode.REQUEST_TOO_LARGE,
        status=413,
    )


def too_large_to_convert() -> ApiError:
    """The 413 for a body that is within mitmproxy's limit, but not within that of a bridge."""
    return bad_request(
        f"The request body is larger than {MAX_BRIDGED:,} bytes. That is the limit for calls that"
        " are converted into chat completions, and no option raises it. Send less.",
        ErrorCode.REQUEST_TOO_LARGE,
        status=413,
    )


class _Member(NamedTuple):
    """Decompresses one member."""

    #: How many bytes `feed` may be given at a time.
    bite: int
    #: Returns decompressed bytes, not many more than `STEP`: with nothing, those held back.
    feed: Callable[[bytes], bytes]
    has_ended: Callable[[], bool]
    #: Whether `feed` takes more bytes now.
    is_hungry: Callable[[], bool]
    #: How many bytes beyond the member's end it was given.
    unused: Callable[[], int]


def _inflate(window_bits: int) -> _Member:
    member = zlib.decompressobj(window_bits)
    return _Member(
        STEP,
        lambda piece: member.decompress(member.unconsumed_tail or piece, STEP),
        lambda: member.eof,
        lambda: not member.unconsumed_tail,
        lambda: len(member.unused_data),
    )


def _brotli() -> _Member:
    member = brotli.Decompressor()
    return _Member(
        STEP,
        lambda piece: member.process(piece, output_buffer_limit=STEP),
        member.is_finished,
        member.can_accept_more_data,
        lambda: 0,  # brotli raises an error for them
    )


def _zstd() -> _Member:
    member = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
    # It returns all that a piece becomes at once, and four bytes may become 128 KiB.
    return _Member(
        128, member.decompress, lambda: member.eof, lambda: True, lambda: len(member.unused_data)
    )


def _decoder(coding: str, body: Buffer) -> Callable[[], _Member]:
    if coding in {"gzip", "x-gzip"}:
        return lambda: _inflate(16 + zlib.MAX_WBITS)
    if coding == "br":
        return _brotli
    if coding == "zstd":
        return _zstd
    # "Some non-conformant implementations send the deflate compressed data without the zlib
    # wrapper." RFC 1950, section 2.2: its method is 8, and its first two bytes divide by 31.
    wrapped = len(body) >= 2 and body[0] & 15 == 8 and (body[0] * 256 + body[1]) % 31 == 0
    return lambda: _inflate(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def _decompress(body: Buffer, coding: str, limit: int) -> Generator[None, None, bytearray]:
    """Decodes one member after the other, and ignores what follows them."""
    make, magic = _decoder(coding, body), _MAGIC.get(coding)
    decoded = bytearray()
    position = worked = 0
    for _ in range(_MAX_MEMBERS):
        member = make()
        while not member.has_ended():
            piece = bytes(body[position : position + member.bite]) if member.is_hungry() else b""
            position += len(piece)
            out = member.feed(piece)
            if not (out or piece or member.has_ended()):
                raise ValueError("it ends too early")
            decoded += out
            if len(decoded) > limit:
                raise _TooLargeError
            worked += len(piece) + len(out)
            if worked >= STEP:
                worked = 0
                yield
        position -= member.unused()
        if magic is None or body[position : position + len(magic)] != magic:
            return decoded
        worked += _COST_OF_MEMBER
    raise ValueError(f"it has more than {_MAX_MEMBERS:,} members")
