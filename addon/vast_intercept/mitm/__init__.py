"""What reaches into mitmproxy beyond its documented interface: each reach is a named function here.

Documented is what its API reference or its guide to addons shows: hooks and their arguments, flows,
`ctx.options`, commands, contentviews, `ctx.master.shutdown`. All rooms may use that. The rest is
used here alone, rests on a fact (docs/facts.md), and is compared with mitmproxy in tests/mitm.

Connections: sockets.py, first_bytes.py (pure), layers.py (which protocol comes next).
HTTP with apps: http_server.py, http2.py (backpressure), wire.py (keys that no flow shows).
Addons: other_addons.py (acting on a flow after them), direct_hooks.py (calls them), saving.py.
Files: flow_files.py (reads them), flow_writing.py (what a recording is written to).
The process: master.py, programs.py (mitmdump, mitmweb, a leaner one).
And borrowed.py: functions; replaying.py (flows that are sent).
"""
