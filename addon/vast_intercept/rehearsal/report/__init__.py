"""The report of a rehearsal: a page in one file, JSON, and a summary on the terminal.

`report.py` has the values that all three show. `entries.py` puts a call and its answers together,
`shown.py` cuts them to what is shown, `speed.py` measures how fast they came, and `collected.py`
counts and keeps all of them. `page.py`, `as_json.py` and `summary.py` write the three.
"""
