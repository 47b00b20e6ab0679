"""The command line, with one file for each command. Nothing imports this package.

A file declares the command's options and calls what does the work: `engine` for `serve`, `launch`
for `run` and `env`, `certificates` for `ca`, `diagnosis` for `check`.
"""
