"""The model server: reads requests and answers them as vLLM does, field by field.

`vllm` is its HTTP server and all that other rooms need, besides the paths in `model` and the
refusals. `listed` has the operations beyond chat and text completions, and `machine` is a server
of one's own. The rest is pure. It imports `mischief`, which decides how an answer goes out, and
nothing of `vast`.
"""
