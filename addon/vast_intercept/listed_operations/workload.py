"""How much work a call is, as Vast's worker counts it (FACTS V16)."""

# The worker counts in calls of its benchmark, which has an answer of so many tokens.
_TOKENS_OF_BENCHMARK = 500.0
_LEAST, _MOST = 0.1, 8.0


def cost_in_tokens(size: float, reference: float) -> float:
    """The work of a call in tokens. A call of the `reference` size counts as 500.

    `size` and `reference` are in the same unit: characters, seconds, or pixels.

    >>> cost_in_tokens(1_000, 500)
    1000.0
    """
    return _TOKENS_OF_BENCHMARK * min(max(size / reference, _LEAST), _MOST)
