"""OpenAI's Responses API through chat completions. Pure, no I/O.

`request` reads a call and makes the body of the chat completion: `fields` its options,
`input_items` and `conversation` its messages, `tools` and `tool_choice` its tools. `bridge` turns
the answer back: `answer` and `output` build a response of `items`, `events` a stream of events.
`asked` is what a request leaves for its answer to know, `reasoning` what an app carries back.
https://platform.openai.com/docs/api-reference/responses
"""
