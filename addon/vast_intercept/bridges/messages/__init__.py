"""Anthropic's Messages API through chat completions. Pure, no I/O.

`request` reads a call and makes the body of the chat completion: `conversation` its messages,
`tools` its tools. `bridge` turns the answer back: `answer` makes a message, `events` a stream of
events. `asked` is what a request leaves for its answer to know. `models` lists models.
https://docs.anthropic.com/en/api/messages
"""
