"""OpenAI's API as apps speak it. Pure: bytes and text in, values out, no I/O.

`operations` (paths), `requests` (bodies of calls, with `roles` and `rewriting`), `answer_stream`,
`sse`, `chunks`, `reasoning`, `usage` and `models` (answers), `errors`; `limits`, `outline`,
`content_coding` and `members` keep reading them fast, whatever they hold. Every room may import
from here. Nothing here imports from another room.
"""
