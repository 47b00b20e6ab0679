"""Help for apps whose calls do not reach the interceptor, or fail there.

`hints.py` notices such apps in hooks and logs once for each what helps. `advice.py` words it,
`processes.py` finds out which process it is, `how_to.py` makes commands to copy. `intercept` and
`engine` import these modules.
"""
