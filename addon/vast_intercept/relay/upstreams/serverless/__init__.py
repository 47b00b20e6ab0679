"""Vast's Serverless protocol as an upstream: a route from the router, then a call to a worker.

`serverless.py` is the upstream. `keys.py` keeps the keys of the account's endpoints. Only
`upstreams` imports them. The protocol itself is in `vast_api`.
"""
