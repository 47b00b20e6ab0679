"""The relay: gets prepared calls from mitmproxy, and brings each to an answer of an upstream.

`call.py` is what was prepared, `work.py` what to do with it, `progress.py` how far it is. The rooms
are `serving/`, `retrying/`, `upstreams/` and `http_client/`: each uses those behind it. `intercept`
starts the server and makes calls, `telemetry` and `dashboard` read progress and endpoints. Nothing
here knows mitmproxy.
"""
