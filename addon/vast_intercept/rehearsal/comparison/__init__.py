"""What differs between a provider's answer and Vast's, and whether an app would notice.

Pure: values in, values out. `measures.py` names what is measured, `comparing.py` compares the
answers to one call, and `totals.py` counts over all calls.
"""
