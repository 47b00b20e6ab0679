"""The dashboard: a page and a small web server for this machine only.

`server.py` serves the files in `page/`, the metrics and the health checks. `state.py` makes the
JSON that the page polls, from `telemetry`. `hints` and `intercept` import these modules. Nothing
here knows flows or mitmproxy.
"""
