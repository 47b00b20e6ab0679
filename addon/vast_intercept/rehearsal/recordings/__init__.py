"""What was recorded, in whatever form: flow files of mitmproxy, HAR files, and JSON lines.

A recording is read call by call, so that its size does not matter. `reading.py` finds out which
form a file has. `conversations.py` puts together calls that continue a response of the provider.
"""
