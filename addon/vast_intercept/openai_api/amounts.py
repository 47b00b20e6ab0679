"""How much a call holds that is not counted in tokens."""

import msgspec


class Amounts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a call sends, or gets, besides tokens. What does not apply is 0.

    It is added up for each chunk of speech, so it is a kind of object that is made fast.
    """

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
            texts=self.texts + other.texts,
            characters=self.characters + other.characters,
            audio_seconds=self.audio_seconds + other.audio_seconds,
            images=self.images + other.images,
            bytes=self.bytes + other.bytes,
        )


NOTHING = Amounts()
