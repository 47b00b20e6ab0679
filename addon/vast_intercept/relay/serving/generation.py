"""One call that generates text: from the app's body to the last byte of its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...bridges.bridge import AppEvents, Bridge, Record
from ...bridges.native import NativeEvents, read_native
from ...bridges.plain import PlainEvents
from ...config import Route
from ...openai_api.content_coding import request_too_large
from ...openai_api.media_parts import check_media, renamed_media
from ...openai_api.operations import BRIDGED, Operation
from ...openai_api.outline import Buffer, needs_outline
from ...openai_api.prompt import beginning_of_prompt
from ...openai_api.reasoning import with_both_names
from ...openai_api.requests import outline_of, read_request
from ...openai_api.sse import EVENT_STREAM
from ...vast_api.router import cost_of
from ..retrying.answer_start import StartedAnswer
from ..retrying.dispatch import destinations
from ..stored_responses.stores import StoredResponses
from ..upstreams.base import UpstreamRequest
from ..work import ToProvider
from .app_body import read_body
from .bridging import bridge_for, plain_events
from .event_stream import EventStream
from .run import Headers, Run, Stream
from .whole_answer import JSON, read_whole


@dataclass(slots=True, eq=False)
class Generation(Run[Buffer | None]):
    """Answers one call. Its body is None if it is too large."""

    _stored: StoredResponses
    #: What the app speaks, if it is not what Vast does.
    _bridge: Bridge | None = field(default=None, init=False)

    def _stream(self, headers: Headers) -> Stream | None:
        if not self._progress.stream:
            return None
        return EventStream(self._request, headers, self._progress, self._events, self._keep)

    async def _read(self, received: Buffer | None) -> UpstreamRequest:
        body = received if self._call.body is None else self._call.body
        if body is None:
            raise request_too_large(self._call.max_body)
        headers = self._request.headers
        body, outline = await read_body(body, headers, self._call, self._turns)
        original = body if self._call.provider else b""
        operation = self._work.operation
        if self._is_native:
            wanted = read_native(body)
        else:
            self._bridge = await bridge_for(
                operation,
                body,
                outline,
                self._call,
                plain=self._plain_events,
                stored=self._stored,
                turns=self._turns,
            )
            if self._bridge:
                operation, body = Operation.CHAT_COMPLETIONS, self._bridge.chat
                outline = await self._turns.take(outline_of(body)) if needs_outline(body) else None
            wanted = read_request(operation, body, outline, self._roles_for)
        media = wanted.media
        if self._bridge and self._bridge.media is not None:
            media = renamed_media(media, self._bridge.media)
        shown = self._call.config.inspect.show_prompts
        renamed = not self._is_native and bool(self._roles_for(wanted.model))
        self._progress.read(
            model=self._work.model or wanted.model,
            stream=wanted.stream,
            left_out=wanted.left_out + (self._bridge.left_out if self._bridge else ()),
            prompt=beginning_of_prompt(outline.text if outline else body) if shown else None,
            sent=wanted.pieces if self._bridge or renamed else None,
        )
        accept = headers.get("accept") or (EVENT_STREAM if wanted.stream else JSON)
        sent = UpstreamRequest(
            self._progress,
            operation,
            wanted.pieces,
            cost_of(wanted, self._call.config.default_cost),
            wanted.stream,
            original,
            accept,
            media=tuple(part.name for part in media),
        )
        if media:
            destinations(sent, self._work.endpoint)  # raises before the work that takes long
            await self._turns.take(check_media(body, outline, media))
        return sent

    @property
    def _is_native(self) -> bool:
        """Whether the app's provider answers in an API that is not that of chat completions."""
        with_provider = self._progress.is_with_provider or isinstance(self._work, ToProvider)
        return with_provider and self._work.operation in BRIDGED

    def _events(self) -> AppEvents:
        """What makes of the events that come those that the app gets."""
        if self._is_native:
            return NativeEvents(self._work.operation, self._call.request_id)
        if self._bridge and not self._progress.is_with_provider:
            return self._bridge.events()
        return self._plain_events()

    def _plain_events(self) -> PlainEvents:
        both_names = self._both_names_of_reasoning()
        return plain_events(self._work.operation, self._progress, both_names=both_names)

    async def _keep(self, record: Record) -> None:
        """Keeps what the app may come back to. Raises ApiError if that fails."""
        await self._stored.keep(self._call, record)

    def _route_for(self, model: str | None) -> Route | None:
        """The configuration's, unless the path names an endpoint: that wins over routes."""
        return None if self._work.endpoint else self._call.config.route_for(model)

    def _both_names_of_reasoning(self) -> bool:
        route = self._route_for(self._progress.model)
        return route is not None and route.reasoning == "both"

    def _roles_for(self, model: str | None) -> Mapping[str, str]:
        route = self._route_for(self._work.model or model)
        return route.roles if route else {}

    async def _whole(self, started: StartedAnswer, headers: Headers) -> Buffer:
        whole = await read_whole(started, self._call, self._turns)
        headers["content-type"] = started.answer.content_type
        self._progress.end_whole(whole.usage, whole.model)
        body = await self._turns.take(self._progress.keys.redact_in_steps(whole.body))
        if self._both_names_of_reasoning() and not self._is_native:
            body = with_both_names(body)
        if self._bridge and not self._progress.is_with_provider:
            answer = self._bridge.answer(body)
            if answer.record:
                await self._keep(answer.record)
            return answer.body
        return body
