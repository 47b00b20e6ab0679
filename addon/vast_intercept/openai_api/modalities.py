"""What a model takes besides text."""

from enum import StrEnum


class Modality(StrEnum):
    """A kind of input, as in `input_modalities` of the configuration."""

    IMAGE = "image"
    AUDIO = "audio"
