"""Reads answers that are no text of a model: what they hold, in words that can be compared."""

from ...openai_api.operations import Operation
from ..calls import Answer, RecordedCall
from .reply import Reply


def read_form(operation: Operation, call: RecordedCall, answer: Answer, kind: str) -> Reply | None:
    """Reads an answer of an operation that generates no text. None if it is something else."""
    return None
