"""What `scripts/transparent` is made of. It needs the standard library of Python 3.9.

choice.py reads whose connections are redirected, and makes the rules; firewall.py loads, lists and
removes rules; interceptor.py knows what the interceptor on this machine must be like. Of the
project's package only `launch/redirection.py` may be imported here: there may be no packages.
"""
