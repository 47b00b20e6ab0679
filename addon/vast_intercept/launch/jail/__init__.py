"""A network of the app's own, where its connections to providers lead to the interceptor.

Nothing is asked of the app: not that it knows proxies, nor that it reads a variable. No root is
needed: user, network, mount and process-id namespaces are Linux's own, and end with what is in
them.

    jail.py       from outside: starts the parts, and ends them
    inside.py     from inside: namespaces, mounts, the app; a script of its own
    network.py    the way out: slirp4netns or pasta
    redirect.py   what goes to the interceptor, and what is refused: nft or iptables
    files.py      which files the app finds replaced
    relay.py      from a redirected connection to a CONNECT
    problems.py   what is missing, or forbidden, in words
"""
