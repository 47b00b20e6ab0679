"""Moves apps that call OpenAI-compatible APIs to a Vast.ai Serverless endpoint."""

__version__ = "0.1.0"
