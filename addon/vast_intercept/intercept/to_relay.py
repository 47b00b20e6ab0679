"""From an app's request to the relay: once all other addons have agreed, or by another way."""

import asyncio
import os
import uuid

from mitmproxy import connection, http

from ..config import Config, Provider, find_provider
from ..mitm.interfaces import show_anew
from ..mitmweb.notes import note, noted, request_id_of, say
from ..openai_api.errors import ApiError, bad_request
from ..openai_api.limits import MAX_HELD_BY_ALL
from ..openai_api.operations import Operation
from ..relay.call import Answer, Call, Generate, ProviderCall
from ..relay.memory import Share, too_much_held
from ..relay.progress import Progress
from ..relay.serving.server import Relay
from ..secret import Secret
from ..telemetry.monitor import Monitor
from ..telemetry.wording import waiting_comment
from .decide import PassOn, decide
from .destination import Destination, Parts, destination_of
from .failure import after_others
from .handover import HandedOver, Target, declared_size, fits, target_of
from .masking import mask_path
from .provider_call import url_of
from .replay import OPENAI_API_KEY
from .settings import Settings


class ToRelay:
    """The calls that the relay has, or is to have."""

    def __init__(self, settings: Settings, relay: Relay, monitor: Monitor) -> None:
        self._settings = settings
        self._relay = relay
        self._monitor = monitor
        self._handed_over: dict[str, HandedOver] = {}
        self._none_left = asyncio.Event()

    async def ended(self) -> None:
        """Returns once no call is with the relay any more, and its answer with the client."""
        while self._handed_over:
            self._none_left.clear()
            await self._none_left.wait()
        # mitmproxy goes on when the last hook has returned.
        await asyncio.sleep(0.05)

    def find(self, flow: http.HTTPFlow) -> HandedOver | None:
        """A flow that was loaded from a file may have the id of one that is on its way."""
        handed_over = self._handed_over.get(flow.id)
        return handed_over if handed_over and handed_over.flow is flow else None

    def flows_of(self, client: connection.Client) -> list[http.HTTPFlow]:
        """The flows of a client that are with the relay, or on their way to it."""
        flows = (each.flow for each in self._handed_over.values())
        return [flow for flow in flows if flow.client_conn is client and not flow.is_replay]

    def take_back(self, flow: http.HTTPFlow) -> HandedOver | None:
        """As `find`, and the call is with the relay no more."""
        handed_over = self.find(flow)
        if handed_over:
            del self._handed_over[flow.id]
            self._relay.forget(handed_over.token)
            # So that neither keeps the other in memory.
            handed_over.progress.tell_nobody()
            handed_over.progress.call.share.close()
        if not self._handed_over:
            self._none_left.set()
        return handed_over

    def answered_by_another(
        self, handed_over: HandedOver, how: str = "answered by another addon"
    ) -> None:
        """The call is none of ours any more."""
        self.take_back(handed_over.flow)
        say(handed_over.flow, how)
        self._monitor.answered_by_another(handed_over.progress)

    def share(self) -> Share:
        """What one more call holds: nothing, yet."""
        memory = self._relay.memory
        memory.most = max(MAX_HELD_BY_ALL, 2 * self._settings.max_body)
        return Share(memory)

    async def prepare(
        self,
        flow: http.HTTPFlow,
        work: Answer | ApiError | Generate,
        config: Config,
        original: Parts,
        *,
        provider: ProviderCall | None = None,
        operation: Operation | None = None,
        share: Share | None = None,
    ) -> HandedOver:
        """Tells the relay of a call that is to come."""
        if self._relay.address is None:
            await self._relay.start()
        assert self._relay.address
        call = Call(
            work=work,
            config=config,
            request_id=request_id_of(flow.request) or f"req_{uuid.uuid4().hex}",
            max_body=self._settings.max_body,
            client=flow.client_conn.peername,
            provider=provider,
            operation=operation,
            client_name=noted(flow, "client"),
            share=share or self.share(),
        )
        progress = Progress(call)
        if isinstance(work, Generate) and work.at_provider:
            progress.keys.add(Secret(os.environ[OPENAI_API_KEY]))
        handed_over = HandedOver(
            flow,
            self._relay.prepare(progress),
            progress,
            original,
            self._relay.address,
            self._settings.kept,
        )
        self._handed_over[flow.id] = handed_over
        self._monitor.began(progress)
        progress.tell(changed=lambda: _show_now(handed_over), arrived=handed_over.show_request)
        return handed_over

    def hand_over(self, handed_over: HandedOver) -> None:
        """All addons have had the headers: what may not be held goes to the relay at once."""
        flow = handed_over.flow
        held = fits(flow.request, self._settings.max_held)
        flow.request.stream = False
        if flow.error or (flow.response and held):
            return
        progress = handed_over.progress
        if held and not progress.call.share.has_room_for_two(declared_size(flow.request)):
            held = False
            progress.prepare_again(work=too_much_held(self._relay.memory.most))
        if held:
            after_others(flow, lambda: self._hand_over_whole(handed_over))
        else:
            handed_over.take_answer()
            handed_over.point_at_relay(streamed=True)

    def _hand_over_whole(self, handed_over: HandedOver) -> None:
        """All addons have had the request, and nobody holds it any more."""
        flow = handed_over.flow
        if flow.error or flow.response or self.find(flow) is not handed_over:
            return
        if handed_over.has_changed() and not self._judge_again(handed_over):
            return
        handed_over.point_at_relay()

    def hand_over_rest(self, handed_over: HandedOver) -> None:
        """All addons have had a request that was streamed. The relay waits for its end."""
        flow = handed_over.flow
        if flow.error:
            ended = bad_request("The call was ended in mitmproxy.", "call_ended")
            handed_over.progress.prepare_again(work=ended)
        elif not handed_over.take_answer() and handed_over.has_changed():
            self._judge_again(handed_over)
        handed_over.use_changed_body()

    def _judge_again(self, handed_over: HandedOver) -> bool:
        """Another addon, or a person, has made another call of it. False if it is none of ours.

        Its body, the relay judges.
        """
        flow, call = handed_over.flow, handed_over.progress.call
        config, request = call.config, flow.request
        if (config.client_keys and not call.client_name) or self._settings.problem:
            return True
        found = destination_now(flow, config.providers, handed_over.judged)
        if found.provider is None and not handed_over.pointed:
            self.answered_by_another(handed_over, "sent elsewhere by another addon")
            return False
        work: Answer | ApiError | Generate | PassOn = PassOn.OUTSIDE_API
        operation = None
        if found.provider:
            decision = decide(config, found.provider, request.method, request.path, request.headers)
            work, operation = found.problem or decision.work, decision.operation
        if isinstance(work, PassOn) or (handed_over.pointed and isinstance(work, Generate)):
            # Its keys are masked by now, and its body may be gone.
            work = bad_request(
                "The call was changed in mitmproxy, into one that cannot be sent on from there.",
                "edited_call_not_served",
            )
        place = handed_over.original[:3]
        if _has_moved(request, handed_over.judged):
            place = found.parts[:3]
        handed_over.original = (*place, mask_path(request.path))
        handed_over.progress.prepare_again(work=work, operation=operation, provider=None)
        note(flow, url=url_of(*handed_over.original), operation=operation)
        return True


def _show_now(handed_over: HandedOver) -> None:
    """Has mitmweb show how a call is doing that has no answer yet."""
    handed_over.show_upstream()
    say(handed_over.flow, waiting_comment(handed_over.progress))
    show_anew([handed_over.flow])


def destination_now(
    flow: http.HTTPFlow, providers: tuple[Provider, ...], judged: Target
) -> Destination:
    """Where a call goes by now that another addon, or a person, has changed."""
    request = flow.request
    if not _has_moved(request, judged):
        return destination_of(flow, providers)
    # Elsewhere than its connection, and that on purpose.
    parts = request.scheme, request.host, request.port, request.path
    return Destination(parts, find_provider(providers, request.host, request.port))


def _has_moved(request: http.Request, judged: Target) -> bool:
    return target_of(request)[1][:3] != judged[1][:3]
