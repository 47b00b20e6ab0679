"""The model server: reads requests and answers them as vLLM does, field by field.

`vllm` is its HTTP server and all that other rooms need, besides the paths in `model` and the
refusals. The rest is pure. It imports `mischief`, which decides how an answer goes out, and
nothing of `vast`.
"""
