"""What apps may come back to: responses that are kept, each for the app that made it.

`bounds` says how many, how large and how long. `kept` finds the parts of a response that are asked
for alone. `memory` keeps responses until the process ends, `sqlite` in a file, with `database` in
a thread of its own. `stores` gives the store that the configuration asks for, and words for apps
what it cannot give. Only `serving` and the modules here use it.
"""
