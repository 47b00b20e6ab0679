"""The chat view: requests and answers of chat and text completions as readable text.

`contentview.py` is all that mitmproxy sees, and all that others import. The rest is pure:
`transcript.py` lays out a request; `assembly.py` and `rendering.py` an answer, whole or streamed;
`layout.py` and `extent.py` serve both.
"""
