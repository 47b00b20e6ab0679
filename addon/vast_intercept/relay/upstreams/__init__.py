"""The upstreams: Vast's OpenAI interface, its Serverless protocol, and the providers of apps.

`base.py` says what an upstream is: one method, that takes an attempt and gives an answer.
`openai.py`, `provider.py` and `serverless/` are one upstream each; `tls.py` says whom they trust,
and `trust.py` by whom workers are verified.
They know the HTTP client, and nothing of retries and of how answers reach the app.
"""
