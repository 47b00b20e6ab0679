"""What is known of calls: one report for each, and what is made of it. Nothing here knows flows.

`report.py` is the only schema. `call_log.py`, `metrics.py` and `history.py` are projections of it,
`wording.py` puts it into a line, and `monitor.py` is told of calls and keeps the latest. `mitmweb`,
`dashboard`, `hints`, `intercept` and `engine` import these modules.
"""
