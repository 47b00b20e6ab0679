"""Anthropic's Messages API through chat completions.

The request becomes the body of a chat completion, and the answer a message, whole or as events.
https://docs.anthropic.com/en/api/messages
"""
