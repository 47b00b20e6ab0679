"""Whose stored responses a call may see and add to: those of the app's own key."""

from weakref import WeakKeyDictionary

from mitmproxy import http

from ..openai_api.operations import Operation
from ..secret import sha256_of
from .message_keys import api_key_of
from .verdict import Asked, Origin


class Owners:
    """Finds the owner of a call, and remembers it for replays, whose keys are masked.

    It is remembered by the flow itself and not in the flow's metadata: neither a file nor another
    addon can make a call one of another app.
    """

    def __init__(self) -> None:
        self._of_flows: WeakKeyDictionary[http.HTTPFlow, str] = WeakKeyDictionary()

    def owner_of(self, flow: http.HTTPFlow, asked: Asked, operation: Operation | None) -> str:
        """The SHA-256 of the app's key; empty without a key, and for calls that store nothing.

        To be asked before the keys are masked.
        """
        if operation is not Operation.RESPONSES:
            return ""
        if asked.origin is not Origin.LIVE:
            return self._of_flows.get(flow, "")
        key = api_key_of(asked.headers, asked.path)
        owner = sha256_of(key) if key else ""
        self._of_flows[flow] = owner
        return owner
