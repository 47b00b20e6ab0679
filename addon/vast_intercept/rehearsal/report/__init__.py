"""The report of a rehearsal: a page in one file, JSON, and a summary on the terminal.

`report.py` has the values that all three show.
"""
