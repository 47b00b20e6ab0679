"""What makes an app use the interceptor: its proxy, its CAs, and where it must, its network.

`run.py` runs one app from start to end: with the variables of `variables.py`, or in a `jail/`.
`exports.py` prints variables for apps that others start. `redirection.py` has the firewall rules of
the jail and of `scripts/transparent`. Only `cli` imports this package; `diagnosis` imports
`named_proxy` of it, no more.
"""
