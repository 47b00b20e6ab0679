"""Keys of calls that are passed on: masked in the flow, but still sent to the provider."""

from contextlib import suppress

from mitmproxy import http

from ..mitm import wire
from ..mitm.borrowed import encode
from ..openai_api.content_coding import decode_content
from ..openai_api.errors import ApiError
from ..secret import Secrets
from .message_keys import keys_in, mask_answer_fields, mask_keys, mask_path

# An error that repeats a key is short. A longer answer that is compressed is not looked into.
_LONGEST_COMPRESSED = 1024 * 1024
_LONGEST_DECODED = 4 * _LONGEST_COMPRESSED


class HiddenKeys:
    """Masks the keys that a flow shows, and remembers them for what is sent."""

    def __init__(self, flow: http.HTTPFlow) -> None:
        wire.forget(flow)  # a replay has no key but those that it shows
        #: Keys that the provider may repeat in its answer.
        self.keys = Secrets()

    def request(self, flow: http.HTTPFlow) -> None:
        """Hides the keys in the request's head. Call it again after other addons had the flow."""
        request, data = flow.request, flow.request.data
        self.keys.add(*keys_in(request.headers.fields, request.path))
        masked = wire.masked_in(flow)
        fields, path, method = request.headers.fields, data.path, data.method
        trailers = request.trailers.fields if request.trailers else ()
        pieces: list[tuple[str, str]] = []
        mask_path(request.path, pieces)
        mask_keys(request)
        masked.add_fields(request.headers.fields, fields)
        if request.trailers:
            masked.add_fields(request.trailers.fields, trailers)
        if data.path != path:
            masked.path = data.path, path
            masked.pieces += [(_encoded(shown), _encoded(was)) for shown, was in pieces]
        if data.method != method:
            masked.method = data.method, method

    def keep(self, flow: http.HTTPFlow) -> None:
        """Masks the keys for good: they are not sent any more."""
        wire.forget(flow)

    def response_head(self, flow: http.HTTPFlow) -> None:
        """Hides cookies in the answer's headers, and keys that the provider has repeated there."""
        assert flow.response
        self._hide_fields(flow, flow.response.headers)

    def ended(self, flow: http.HTTPFlow) -> None:
        """Hides keys that the provider has repeated in the answer's body or in the flow's error.

        What the app has yet to receive stays as the provider sent it.
        """
        if flow.error:
            flow.error.msg = self.keys.redact(flow.error.msg)
        response = flow.response
        if response is None:
            return
        if response.trailers:
            self._hide_fields(flow, response.trailers)
        body = response.data.content
        if not body or not self.keys:
            return
        shown = self._redacted_body(body, response.headers.get("content-encoding", ""))
        if shown != body:
            response.data.content = shown
            if not response.stream:
                wire.masked_in(flow).body = shown, body

    def _hide_fields(self, flow: http.HTTPFlow, headers: http.Headers) -> None:
        fields = headers.fields
        shown = tuple(
            (name, self.keys.redact_bytes(value)) for name, value in mask_answer_fields(fields)
        )
        headers.fields = shown
        wire.masked_in(flow).add_fields(shown, fields)

    def _redacted_body(self, body: bytes, coding: str) -> bytes:
        if not coding or coding == "identity":
            return self.keys.redact_bytes(body)
        if len(body) > _LONGEST_COMPRESSED:
            return body
        with suppress(ApiError, ValueError):
            decoded = _decoded(body, coding)
            shown = self.keys.redact_bytes(decoded)
            if shown != decoded:
                return encode(shown, coding)
        return body


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decoded(body: bytes, coding: str) -> bytes:
    """The decoded body. Raises ApiError if it is malformed or too long."""
    steps = decode_content(body, coding, _LONGEST_DECODED)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return bytes(end.value)
