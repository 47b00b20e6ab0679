"""Vast itself: the console, the router, the OpenAI interface, and workers as the PyWorker is.

`server` puts them on ports. They serve answers of `model_server`, and what goes wrong with them
comes from `mischief`; neither of those imports this package.
"""
