"""Responses to keep, as the bridge makes them."""

import msgspec

from vast_intercept.bridges.bridge import Record


def record(
    id_: str, previous: str | None = None, text: str = "hi", *, more: str = "", item: str = ""
) -> Record:
    """A response of one message to one message. `more` is what else the response holds."""
    asked = [{"type": "message", "id": f"msg_in_{id_}", "role": "user", "content": text}]
    output = [{"type": "message", "id": item or f"msg_out_{id_}", "content": text.upper()}]
    response = {"id": id_, "object": "response", "tools": more, "output": output, "usage": None}
    return Record(id_, previous, msgspec.json.encode(asked), msgspec.json.encode(response))
