"""A rehearsal of a move: an app's recorded calls are made on Vast, and both answers compared.

`recordings/` reads what was recorded, `replaying/` makes the calls on Vast, `replies/` reads the
answers of both, `comparison/` says what differs, and `report/` shows it. `calls.py` has the values
that pass between them. `replies/` and `comparison/` are pure. Only `cli/` imports this room.
`exporting.py` writes the chats of a recording as a data set: `fine_tuning.py` makes its examples,
and `redaction.py` takes out what must not be in it.
"""
