"""Fits mitmweb's page to chats: more room for comments in the list, and wrapped lines."""

from tornado.httputil import HTTPHeaders
from tornado.web import OutputTransform

# Who looks at calls wants to know how each did.
COLUMNS = ["icon", "path", "comment", "status", "size", "time"]

_HEAD_ENDS = b"</head>"
# Its own cuts comments off after twenty letters, and has long lines run out of sight.
_STYLE = (
    b"<style>"
    b".flow-table .col-comment{width:55%;text-align:left!important}"
    b".contentview pre{white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere}"
    b"</style>"
)


class PageStyle(OutputTransform):
    """Adds the style to the page. mitmweb's content security policy allows it to."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Adds the style. The page comes in one chunk."""
        if headers.get("Content-Type", "").startswith("text/html"):
            chunk = chunk.replace(_HEAD_ENDS, _STYLE + _HEAD_ENDS, 1)
            if finishing and "Content-Length" in headers:
                headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk
