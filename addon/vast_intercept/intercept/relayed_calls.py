"""Calls on their way to the relay, and those that it has."""

import asyncio
import os
import uuid

from mitmproxy import http

from ..config import Config, find_provider
from ..mitm.master import show_anew
from ..mitmweb.notes import note, noted, request_id_of, say
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_request
from ..openai_api.limits import MAX_HELD_BY_ALL
from ..openai_api.operations import Api
from ..relay.call import Call, ProviderCall
from ..relay.memory import Share, too_much_held
from ..relay.progress import Progress
from ..relay.serving.server import Relay
from ..relay.work import Refuse, ToProvider, Work
from ..secret import Secret
from ..telemetry.monitor import Monitor
from ..telemetry.wording import waiting_comment
from .destination import Parts
from .fail_closed import after_others
from .flow_commands import OPENAI_API_KEY
from .identify import Judged
from .message_keys import mask_path
from .provider_call import url_of
from .relayed_call import RelayedCall, size_to_hold
from .settings import Settings
from .verdict import LeaveAlone, Origin, PassOn

#: What a flow's comment says of a call that is not sent on.
ANSWERED_BY_ANOTHER = "answered by another addon"


class RelayedCalls:
    """Prepares calls for the relay, hands them over, and takes them back at their end."""

    def __init__(self, settings: Settings, relay: Relay, monitor: Monitor) -> None:
        self._settings = settings
        self._relay = relay
        self._monitor = monitor
        self._relayed: dict[str, RelayedCall] = {}
        #: How many answers mitmproxy is about to write.
        self._leaving = 0
        self._none_left = asyncio.Event()

    async def ended(self) -> None:
        """Returns once the relay has no call any more, and mitmproxy has written all answers."""
        while self._relayed or self._leaving:
            self._none_left.clear()
            await self._none_left.wait()

    def find(self, flow: http.HTTPFlow) -> RelayedCall | None:
        """The flow's call. A flow from a file may have the id of another one that is on its way."""
        relayed = self._relayed.get(flow.id)
        return relayed if relayed and relayed.flow is flow else None

    @property
    def flows(self) -> list[http.HTTPFlow]:
        """The flows whose calls are with the relay, or on their way to it."""
        return [each.flow for each in self._relayed.values()]

    def take_back(self, flow: http.HTTPFlow) -> RelayedCall | None:
        """Finds the flow's call, and ends its time with the relay."""
        relayed = self.find(flow)
        if relayed:
            del self._relayed[flow.id]
            self._relay.forget(relayed.token)
            # So that neither keeps the other in memory.
            relayed.progress.tell_nobody()
            relayed.progress.call.share.close()
            self._none_left.set()
        return relayed

    def leave(self, flow: http.HTTPFlow) -> RelayedCall | None:
        """Takes the call back in a hook after which mitmproxy writes the rest of the answer."""
        relayed = self.take_back(flow)
        if relayed:
            self._leaving += 1
            after_others(flow, self._is_written)
        return relayed

    def _is_written(self) -> None:
        # mitmproxy writes the answer in this same step of the event loop (FACTS M30).
        asyncio.get_running_loop().call_soon(self._has_left)

    def _has_left(self) -> None:
        self._leaving -= 1
        self._none_left.set()

    def answered_by_another(self, relayed: RelayedCall, how: str = ANSWERED_BY_ANOTHER) -> None:
        """Takes back a call that another addon has answered or sent elsewhere. `how` is noted."""
        self.take_back(relayed.flow)
        say(relayed.flow, how)
        self._monitor.answered_by_another(relayed.progress)

    def share(self) -> Share:
        """The share of memory of a new call, which holds nothing yet."""
        memory = self._relay.memory
        memory.most = max(MAX_HELD_BY_ALL, 2 * self._settings.max_body)
        return Share(memory)

    async def prepare(
        self,
        flow: http.HTTPFlow,
        work: Work,
        judged: Judged,
        place: Parts,
        *,
        provider: ProviderCall | None = None,
        owner: str = "",
        share: Share | None = None,
    ) -> RelayedCall:
        """Prepares a call in the relay, which mitmproxy will send there.

        `place` is where the app sent it; `provider` is the call as its provider would get it;
        `owner` is whose responses it may see; `share` is what the call holds in memory already.
        """
        address = await self._relay.listening()
        call = Call(
            work=work,
            config=judged.config,
            request_id=request_id_of(flow.request) or f"req_{uuid.uuid4().hex}",
            max_body=self._settings.max_body,
            client=flow.client_conn.peername,
            provider=provider,
            operation=work.operation,
            client_name=noted(flow, "client"),
            owner=owner,
            api=_api_at(place, judged.config),
            share=share or self.share(),
        )
        progress = Progress(call)
        if isinstance(work, ToProvider):
            progress.keys.add(Secret(os.environ[OPENAI_API_KEY]))
        token, original = self._relay.prepare(progress), (*place[:3], mask_path(place[3]))
        kept = self._settings.kept
        relayed = RelayedCall(flow, token, progress, judged, original, address, kept)
        self._relayed[flow.id] = relayed
        self._monitor.began(progress)
        progress.tell(changed=lambda: _show_now(relayed), arrived=relayed.show_request)
        return relayed

    def hand_over(self, relayed: RelayedCall) -> None:
        """All addons have had the headers. A body too large to be held is streamed to the relay."""
        flow, progress = relayed.flow, relayed.progress
        size = size_to_hold(flow.request)
        held = size is not None and size <= self._settings.max_held
        flow.request.stream = False
        if flow.error or (flow.response and held):
            return
        if held and not progress.call.share.has_room_for_two(size or 0):
            held = False
            error = too_much_held(self._relay.memory.most)
            progress.prepare_again(work=Refuse(error, progress.call.operation))
        if held:
            after_others(flow, lambda: self._hand_over_whole(relayed))
        else:
            relayed.take_answer()
            relayed.point_at_relay(streamed=True)

    def _hand_over_whole(self, relayed: RelayedCall) -> None:
        """All addons have had the request, and nobody holds it any more."""
        flow = relayed.flow
        if flow.error or flow.response or self.find(flow) is not relayed:
            return
        if relayed.judged.has_changed(flow) and not self._judge_again(relayed, Origin.EDITED):
            return
        relayed.point_at_relay()

    def hand_over_rest(self, relayed: RelayedCall) -> None:
        """All addons have had a request that was streamed. The relay waits for this."""
        flow, progress = relayed.flow, relayed.progress
        if flow.error:
            error = bad_request("The call was ended in mitmproxy.", ErrorCode.CALL_ENDED)
            progress.prepare_again(work=Refuse(error, progress.call.operation))
        elif not relayed.take_answer() and relayed.judged.has_changed(flow):
            self._judge_again(relayed, Origin.EDITED_AT_RELAY)
        relayed.use_changed_body()

    def _judge_again(self, relayed: RelayedCall, origin: Origin) -> bool:
        """Judges a call that was changed. False if it is not for a provider any more.

        The relay reads the body later, as it was edited.
        """
        asked, verdict = relayed.judged.again(relayed.flow, origin)
        if isinstance(verdict, LeaveAlone):
            self.answered_by_another(relayed, "sent elsewhere by another addon")
            return False
        assert not isinstance(verdict, PassOn)  # its keys are masked for good
        relayed.original = (*asked.place[:3], mask_path(asked.place[3]))
        operation = verdict.operation
        api = _api_at(asked.place, relayed.judged.config)
        relayed.progress.prepare_again(work=verdict, operation=operation, provider=None, api=api)
        note(relayed.flow, url=url_of(*relayed.original), operation=operation)
        return True


def _api_at(place: Parts, config: Config) -> Api:
    """In whose API the provider speaks that a call is for."""
    provider = find_provider(config.providers, *place[1:3])
    return provider.api if provider else "openai"


def _show_now(relayed: RelayedCall) -> None:
    """Makes mitmweb show how a call is doing that has no answer yet."""
    relayed.show_upstream()
    say(relayed.flow, waiting_comment(relayed.progress))
    show_anew([relayed.flow])
