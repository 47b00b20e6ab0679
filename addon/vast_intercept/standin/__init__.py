"""A Vast in a box: its OpenAI interface with a vLLM behind it, on a port of this machine.

For the demo, the tests and the benchmarks. It generates nothing: its answers have the exact shape
of vLLM's, and a text that follows from the request. What it should do besides (be slow, fail, stop
in the middle) a request says in its own body, in the field `standin`.
"""
