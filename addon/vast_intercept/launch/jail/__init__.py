"""A network of the app's own, in which its connections to providers lead to the interceptor.

The app need not know proxies or read variables, and no root is needed: the jail is made of Linux's
user, network, mount and process-id namespaces, and all of them end with what is in them. `jail.py`
starts the parts from outside, `inside.py` is a script of its own that runs within and imports
nothing of the project. Others import `Jail`, `ReplacedFiles` and `JailError` only.
"""
