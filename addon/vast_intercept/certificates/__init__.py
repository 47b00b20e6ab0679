"""All about CAs: whose certificates apps trust, and whom the interceptor itself trusts.

`own_ca.py` is mitmproxy's CA, `signing.py` checks it before mitmproxy uses it, `how_to_trust.py`
says how it can be trusted. `trust_files.py` (for runtimes), `system_store.py` and `nss.py` (for
Chromium) have it trusted. `public_cas.py` has the CAs that this machine trusts, without those that
are known to be compromised. No other room reads, writes or compares certificates of CAs.
"""
