"""What reaches into mitmproxy beyond its documented interface: its protocol layers.

first_bytes.py   pure: what the first bytes of a connection say about it
http_server.py   the side of mitmproxy that speaks HTTP with apps, made stricter and kinder
layers.py        which protocol comes next on a connection
"""
