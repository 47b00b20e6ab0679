"""The chat view: what an app asked and got, as readable text, whichever API it speaks.

`contentview.py` and `sent_view.py`, which shows what Vast was asked instead, are all that mitmproxy
sees. The rest is pure, and a rehearsal reads calls with it, too.
`transcript.py` lays out a request, from `turns.py` and `tools.py`. `assembly.py` puts an answer
together, whole or streamed, and `rendering.py` lays it out. `completions.py`, `responses.py` and
`messages.py` each know one API; what somebody said is a `Choice` of `said.py` in all of them.
Operations that generate no text, such as embeddings, are in `listed/`.
"""
