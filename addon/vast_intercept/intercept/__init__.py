"""mitmproxy's hooks: they say what was asked, ask for the verdict, and carry it out.

`addon.py` puts the hook classes together: `settings`, `connections`, `access`, `call_interceptor`
and `lifecycle`. `identify.py` makes the question of a flow; `verdict.py`, which is pure, answers.
`relayed_calls.py` has the calls that the relay gets, `passed_on_calls.py` those that go on to their
provider. `message_keys.py`, `hidden_keys.py` and `masked_log.py` keep keys out of what is seen.

From elsewhere, only `addon.VastIntercept` is imported.
"""
