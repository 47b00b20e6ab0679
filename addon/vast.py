"""`mitmdump -s addon/vast.py`: OpenAI's API, served by a Vast.ai Serverless endpoint."""

from vast_intercept.script import addons

__all__ = ["addons"]
