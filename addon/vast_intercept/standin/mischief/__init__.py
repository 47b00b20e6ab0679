"""What goes wrong, when and how: instructions in a request, chance, a schedule, gates, overrides.

`exchange` sends an answer, and `faults` spoils it. The other rooms of the stand-in may import all
of it. It imports none of them.
"""
