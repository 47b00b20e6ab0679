"""The upstreams: Vast's two interfaces, machines of one's own, and the providers of apps.

`base.py` says what an upstream is: one method, that takes an attempt and gives an answer.
`openai.py`, `serverless/`, `machine.py` and `provider.py` are one upstream each. `tls.py` says whom
they trust, and `trust.py` by whom workers and machines are verified. They know the HTTP client, and
nothing of retries and of how answers reach the app.
"""
