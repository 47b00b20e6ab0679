"""The functions of chat completions before there were tools, which vLLM ignores (FACTS R29).

`request` makes tools of what an app sends, `answer` makes a function call of what comes back, and
`bridge` is both. Calls without old functions pass by.
https://platform.openai.com/docs/api-reference/chat/create has the deprecated fields.
"""
