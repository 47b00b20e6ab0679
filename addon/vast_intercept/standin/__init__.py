"""A Vast in a box: its OpenAI interface and its Serverless interface, on ports of this machine.

For the demo, the tests and the benchmarks. It generates nothing: its answers have the exact shape
of vLLM's, and a text that follows from the request. What it should do besides (be slow, fail, stop
in the middle) a request says in its own body, in the field `standin`; what console, router and
workers should do, `/_standin/` takes.
"""
