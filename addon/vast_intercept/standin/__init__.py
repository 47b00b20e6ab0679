"""A Vast in a box, on ports of this machine, for the demo, the tests and the benchmarks.

It generates nothing: an answer has the exact shape of vLLM's, and a text that follows from the
request. A request says in its own body, in the field `standin`, what should go wrong with it;
`/_standin/` takes what console, router and workers should do, and a script of answers for apps
that cannot add a field to their requests.

`model_server` answers as vLLM does, `vast` plays Vast, `mischief` has things go wrong. The files
here join them (`server`, `control`, `command`) or serve all three (`answering`, `listener`,
`recorder`, `received_calls`, `waiting`). The stand-in is an independent second opinion on the
protocols: it imports nothing of the project's other packages, and none of them imports it.
"""
