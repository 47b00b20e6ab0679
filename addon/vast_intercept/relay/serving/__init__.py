"""Serving: the server that mitmproxy hands calls to, and the answers to apps.

`server.py` finds a call by its token, and `generation.py` runs it. `whole_answer.py` and
`event_stream.py` send what comes back. `intercept` imports `server`, and so does `dashboard`.
"""
