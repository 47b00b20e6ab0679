"""Vast's own protocol, without I/O: URLs, headers, bodies and answers.

`openai_interface` (one URL for an endpoint), `console` (the account's endpoints, Vast's root
certificate), `router` (which worker a call goes to, what the workers do) and `worker` (the call to
a worker). Upstreams and `diagnosis` import these modules. This package imports nothing of the
project but `openai_api` and root modules.
"""
