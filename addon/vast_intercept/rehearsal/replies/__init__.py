"""What a call asks for and what its answer says, in one form for all APIs that apps speak.

Pure: bytes in, values out. `reply.py` has the values, `reading.py` makes them.
"""
