"""Retrying: endpoint after endpoint, attempt after attempt, until one has an answer.

`dispatch.py` is the loop. `retry.py` (when to try again) and `circuit_breaker.py` are pure.
`answer_start.py` waits for an answer's beginning, `endpoint_health.py` remembers how endpoints did.
`serving` imports `dispatch`, and `telemetry` imports `endpoint_health`.
"""
