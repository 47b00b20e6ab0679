"""What mitmproxy's interfaces show of calls: mitmweb, the console and `flow_detail`.

`notes.py` writes comment, marker and metadata of a flow, and `sent.py` keeps what Vast was asked.
`live.py` shows streams while they grow, `retention.py` bounds how many flows are kept, and
`page_style.py` adapts mitmweb's page. The chat view is in `chat/`. `intercept` and `engine` import
these modules.
"""
