"""Other APIs through chat completions: Responses, Messages, and the old functions. Pure, no I/O.

A bridge makes a chat completion of an app's request, and turns the answer back, whole or event by
event. `bridge` says what a bridge is, `plain` is the stream of calls that need none, and `native`
that of a provider that speaks the app's own API. `relay` and everybody above may import from here.
Nothing here imports from another room than `openai_api`.
"""
