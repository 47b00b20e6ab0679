"""An interceptor as a process: how it is started, asked and ended.

`masters.py` is mitmproxy with the addon built in, and `banner.py` what it says once it listens.
`process.py` starts one in another process, where `background.py` runs it; `messages.py` has what
passes between the two. `running.py` asks one that runs already. `key_variables.py` keeps keys
in environment variables from apps. `cli`, `launch` and `diagnosis` import these modules, but
`masters.py` only where an interceptor runs: importing mitmproxy takes half a second.
"""
