"""What `vast-intercept check` finds out: step by step, from the configuration to an app's call.

`checks.py` lists the steps, `steps.py` runs them, and `report.py` shows the results. The other
modules are what the steps test. Only `cli` imports this package. It looks from outside, as an app
does: it asks a running interceptor, and shares no state with one.
"""
