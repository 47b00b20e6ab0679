"""Which language a text is in."""


def language_of(text: str) -> str | None:
    """The language, or None if it cannot be told."""
    return None
