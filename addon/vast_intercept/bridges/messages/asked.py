"""What a Messages request leaves for its answer to know."""

import base64
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was read and found good, as far as its answer depends on it."""

    #: As the app named it: the answer names it in the same way.
    model: str
    #: Begins with `req_`. Errors name it, and the message's id is made of it.
    request_id: str
    #: Tokens of the prompt, estimated: Vast says how many there are only at the end of a stream.
    input_tokens: int
    #: Whether the app asked for the model's thinking. It gets none if it did not, since it may take
    #: the first block of an answer for its text.
    thinking: bool = False
    #: Whether the thinking's text is left out, and only its signature sent: `display: "omitted"`.
    thinking_omitted: bool = False

    @property
    def message_id(self) -> str:
        """The id of the message that answers the call."""
        return f"msg_{self.request_id.removeprefix('req_')}"

    @property
    def signature(self) -> str:
        """The signature of a thinking block: opaque, and accepted back like any other."""
        return base64.b64encode(f"vast-intercept {self.message_id}".encode()).decode()
