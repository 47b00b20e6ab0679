"""What `vast-intercept check` finds out: step by step, from the configuration to an app's calls.

`plan.py` lists the steps, `steps.py` runs them, and `output.py` shows the results. The steps are in
`configuration_steps.py`, `vast_steps.py` and `local_steps.py`, and those that call in
`app_calls.py`, `other_api_calls.py` and `listed_calls.py`. Each returns a Finding or raises Problem
or NotApplicable (`findings.py`), and leaves what later steps need in the Subject (`subject.py`).
Only `cli` imports this package. It looks from outside, as an app does: it asks a running
interceptor, and shares no state with one.
"""
