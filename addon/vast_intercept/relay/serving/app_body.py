"""The body of an app's call, as it is read: checked, decompressed and outlined."""

from collections.abc import Mapping

from ...openai_api.content_coding import decode_content
from ...openai_api.limits import MAX_DECOMPRESSED, READ_TOGETHER
from ...openai_api.outline import Buffer, Outline, needs_outline
from ...openai_api.requests import check_content_type, outline_of
from ..call import Call
from ..turns import Turns


async def read_body(
    body: Buffer, headers: Mapping[str, str], call: Call, turns: Turns
) -> tuple[Buffer, Outline | None]:
    """The decompressed body, and its outline if it is large. `headers` are the request's.

    Raises ApiError (400, 413) for a body that cannot be read.
    """
    check_content_type(headers.get("content-type", ""))
    coding = headers.get("content-encoding", "")
    if coding:
        # It may become so large while other calls have their turn.
        call.share.take(MAX_DECOMPRESSED)
        body = await turns.take(decode_content(body, coding, call.max_body))
        call.share.give_back(MAX_DECOMPRESSED - min(len(body), MAX_DECOMPRESSED))
    outline = await turns.take(outline_of(body)) if needs_outline(body) else None
    if len(body) > READ_TOGETHER:
        await turns.wait()
    return body, outline
