"""Vast's Serverless protocol as an upstream: a route from the router, then a call to a worker.

`serverless.py` is the upstream, and `keys.py` keeps the keys of the account's endpoints. Nothing
but `upstreams` imports them. The protocol's URLs, bodies and answers are in `vast_api`.
"""
