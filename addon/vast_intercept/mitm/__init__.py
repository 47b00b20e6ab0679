"""What reaches into mitmproxy beyond its documented interface: its protocol layers, its addons.

accepting.py     listening sockets when there are no file descriptors left
first_bytes.py   pure: what the first bytes of a connection say about it
http2.py         apps over HTTP/2 that do not take what comes for them
http_server.py   the side of mitmproxy that speaks HTTP with apps, made stricter and kinder
http_stream.py   one request and its answer, with bounds
layers.py        which protocol comes next on a connection
saving.py        saving and logging that go on when a disk is full
server_replay.py   mitmproxy's server replay finds answers by what apps asked
transports.py    sockets: read in slices, and closed where mitmproxy forgets to
turns.py         acting on a flow once all other addons have had their say
wire.py          what is sent where the flow shows something else: keys
"""
