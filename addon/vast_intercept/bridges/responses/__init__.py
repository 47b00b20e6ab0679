"""OpenAI's Responses API through chat completions.

`asked` is what a request leaves for its answer to know. The request becomes the body of a chat
completion, and the answer a response, whole or as events.
https://platform.openai.com/docs/api-reference/responses
"""
