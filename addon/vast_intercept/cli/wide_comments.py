"""mitmweb's list of flows, with room for comments: its own cuts them off after twenty letters."""

from tornado.httputil import HTTPHeaders
from tornado.web import OutputTransform

# Who looks at calls wants to know how each did.
COLUMNS = ["icon", "path", "comment", "status", "size", "time"]

_HEAD_ENDS = b"</head>"
_STYLE = b"<style>.flow-table .col-comment{width:55%;text-align:left!important}</style>"


class WideComments(OutputTransform):
    """Adds the style to the page. mitmweb's content security policy allows it to."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The page comes in one chunk."""
        if headers.get("Content-Type", "").startswith("text/html"):
            chunk = chunk.replace(_HEAD_ENDS, _STYLE + _HEAD_ENDS, 1)
            if finishing and "Content-Length" in headers:
                headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk
