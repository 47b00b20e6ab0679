"""What reaches into mitmproxy beyond its documented interface: each reach is a named function here.

Documented is what has a page in mitmproxy's API reference or is shown in its guide to addons: hooks
and their arguments, flows, `ctx.options`, commands, contentviews, `ctx.master.shutdown`. All rooms
may use that. Everything else is used here alone, rests on a fact (docs/facts.md), and is compared
with mitmproxy itself in tests/mitm. This room imports at most `openai_api` and root modules.

accepting.py     listening sockets, also when there are no file descriptors left
borrowed.py      functions of mitmproxy's own use, as they are
direct_hooks.py  an addon manager that is faster than mitmproxy's
first_bytes.py   pure: what the first bytes of a connection say about it
http2.py         apps over HTTP/2 that do not take what comes for them
http_server.py   the side of mitmproxy that speaks HTTP with apps, made stricter and kinder
http_stream.py   one request and its answer, with bounds
interfaces.py    mitmproxy's user interfaces: their list of flows, and whether somebody looks
layers.py        which protocol comes next on a connection
log.py           where mitmproxy writes its log, and lines that are left out
master.py        the order of addons, commands, the end
programs.py      mitmdump, mitmweb, and a leaner master
saving.py        saving and logging that go on when a disk is full
server_replay.py  mitmproxy's server replay finds answers by what apps asked
transports.py    sockets of connections: read in slices, limited, closed where mitmproxy forgets to
turns.py         acting on a flow once all other addons have had their say
type_checks.py   the types in each message, checked once for each combination
wire.py          what is sent where the flow shows something else: keys
"""
