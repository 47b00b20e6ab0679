"""The calls of a recording, made on Vast as the interceptor makes them, and never at the provider.

`plan.py` says before what is going to be done. `replayer.py` is an addon that makes the calls with
mitmproxy's own replay, and `results.py` keeps what came of each, so that nothing is made twice.
"""
