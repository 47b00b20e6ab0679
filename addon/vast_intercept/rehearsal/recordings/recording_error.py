"""The error of a recording that cannot be read."""


class RecordingError(Exception):
    """The file is no recording, or cannot be read. The message says why, for a person to read."""
