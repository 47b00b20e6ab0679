"""How much work a call is, in tokens, as Vast's worker counts it (FACTS V16).

The router is told before the worker is, so both must come to the same number. The worker counts
whatever a body holds, and so do these: nothing in a body makes them fail.
"""

import math
from collections.abc import Sequence

#: Characters that count for a token, where a text comes as tokens.
CHARACTERS_OF_TOKEN = 4
#: Characters that count for what is compared and no text, such as an image.
CHARACTERS_OF_OTHER = 250

# The worker counts in calls of its benchmark, which has an answer of so many tokens.
_TOKENS_OF_BENCHMARK = 500.0
_LEAST, _MOST = 0.1, 8.0

# What one call of the worker's benchmark is: a text of 600 characters to embed; a query of 60
# characters with 16 documents; an image; 500 characters to speak; half a minute of audio.
_REFERENCE_TEXT = 600
_REFERENCE_PAIRS = 16 * (60 + CHARACTERS_OF_OTHER)
_REFERENCE_SIDE = 1024
_REFERENCE_SPEECH = 500
_REFERENCE_SECONDS = 30.0

# No number of pixels is longer, and Python takes long to read one that is.
_LONGEST_SIZE = 100


def embeddings_cost(characters: float) -> float:
    """The cost, in tokens, of texts with so many characters in all to embed."""
    return _in_tokens(characters, _REFERENCE_TEXT)


def pairs_cost(queries: Sequence[float], documents: Sequence[float]) -> float:
    """The cost, in tokens, of comparing texts with so many characters each.

    One query is compared with each document, several queries with one document each.
    """
    if len(queries) == 1:
        characters = len(documents) * queries[0] + math.fsum(documents)
    else:
        pairs = list(zip(queries, documents, strict=False))
        characters = math.fsum(query + document for query, document in pairs)
    return _in_tokens(characters, _REFERENCE_PAIRS)


def images_cost(size: object, count: object) -> float:
    """The cost, in tokens, of images to make or to edit.

    `size` and `count` are the values of `size` and `n`. What they do not say, or not so that the
    worker understands it, counts as one image of 1024 x 1024 pixels.
    """
    pixels = float(_REFERENCE_SIDE**2)
    if isinstance(size, str) and len(size) <= _LONGEST_SIZE:
        width, separator, height = size.lower().partition("x")
        if separator:
            pixels = _number(width, _REFERENCE_SIDE) * _number(height, _REFERENCE_SIDE)
    all_pixels = _number(count, 1) * pixels
    # Infinitely many pixels of no image are no number.
    return _in_tokens(0 if math.isnan(all_pixels) else all_pixels, _REFERENCE_SIDE**2)


def speech_cost(characters: int, voices: int) -> float:
    """The cost, in tokens, of so many characters to speak, with recordings of voices to imitate.

    Each voice counts as 500 characters.
    """
    return _in_tokens(characters + _REFERENCE_SPEECH * voices, _REFERENCE_SPEECH)


def audio_cost(seconds: float) -> float:
    """The cost, in tokens, of audio to transcribe or to translate."""
    return _in_tokens(seconds, _REFERENCE_SECONDS)


def _in_tokens(size: float, reference: float) -> float:
    """The cost of a call whose size, and whose reference, are in the same unit."""
    return _TOKENS_OF_BENCHMARK * min(max(size / reference, _LEAST), _MOST)


def _number(value: object, default: float) -> float:
    if not isinstance(value, str | int | float):
        return default
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return default
    return number if math.isfinite(number) else default
