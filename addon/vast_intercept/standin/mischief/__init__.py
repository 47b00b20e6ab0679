"""What goes wrong, when and how: instructions in a request, chance, a schedule, gates, overrides.

`script` has instructions for apps that cannot put any into their requests. `exchange` sends an
answer, and `faults` spoils it. The other rooms of the stand-in may import all of it. It imports
none of them.
"""
