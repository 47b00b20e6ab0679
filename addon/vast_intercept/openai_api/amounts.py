"""How much a call holds that is not counted in tokens."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What a call sends, or gets, besides tokens. What does not apply is 0."""

    #: Texts to embed, or pairs of texts to compare.
    texts: int = 0
    characters: int = 0
    audio_seconds: float = 0.0
    images: int = 0
    #: Of audio and images.
    bytes: int = 0

    def __add__(self, other: "Amounts") -> "Amounts":
        """Both together."""
        return Amounts(
            **{
                each.name: getattr(self, each.name) + getattr(other, each.name)
                for each in fields(self)
            }
        )


NOTHING = Amounts()
