"""Commands on flows: replay at the provider, copy as curl, show the URL that was asked for."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from weakref import WeakSet

import pyperclip
from mitmproxy import command, ctx, exceptions, flow, http, types

from ..addresses import is_loopback_name
from ..config import Config, Provider, built_in_providers, find_provider
from ..listed_operations.listed_call import done_at_once
from ..listed_operations.speech import SpeechCall
from ..listed_operations.upload_reader import UPLOADS
from ..mitm.master import list_of_flows, show_anew
from ..mitmweb.notes import noted, original_url
from ..openai_api.errors import ApiError
from ..openai_api.operations import GENERATING, Operation
from ..urls import place_of
from .body_for_vast import body_for_vast, listed_call_of, served_as
from .curl import CurlCall, curl_command
from .saved_media import save_media
from .settings import Settings

#: The key for `vast.replay.provider`: that of OpenAI, which no other company may get.
OPENAI_API_KEY = "OPENAI_API_KEY"

# Not in a flow's metadata: a file that somebody else has made could say it, too.
_for_provider: WeakSet[flow.Flow] = WeakSet()


def is_for_provider(flow: http.HTTPFlow) -> bool:
    """Whether this replay was asked for with `vast.replay.provider`."""
    return flow in _for_provider


def key_problem(provider: Provider | None, url: str) -> str | None:
    """Why $OPENAI_API_KEY must not be sent to the URL, or None. Flow files may hold any URL."""
    if not os.environ.get(OPENAI_API_KEY):
        return f"{OPENAI_API_KEY} is not set. Start mitmproxy again with it in the environment."
    if provider is None:
        return "This flow is no call of a provider that the configuration names."
    if provider.name != "openai" and provider.name in built_in_providers():
        return (
            f"{OPENAI_API_KEY} is not sent to {provider.name}: only to OpenAI, and to providers of"
            " your own."
        )
    place = place_of(url)
    if place.scheme != "https" and not is_loopback_name(place.host):
        return f"{OPENAI_API_KEY} is not sent over {place.scheme}, where others can read it."
    return None


class FlowCommands:
    """The commands that a person can use on calls in mitmweb, the console and scripts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @command.command("vast.replay.provider")  # type: ignore[untyped-decorator]
    def replay_at_provider(self, flows: Sequence[flow.Flow]) -> None:
        """Send copies of flows to the provider that the app meant, with $OPENAI_API_KEY."""
        copies = []
        for each in flows:
            self._check_for_provider(each)
            assert isinstance(each, http.HTTPFlow)
            copied = each.copy()
            copied.comment = copied.marked = ""
            _for_provider.add(copied)  # also when it is replayed once more
            copies.append(copied)
        if (view := list_of_flows()) is not None:
            view.add(copies)
        ctx.master.commands.call("replay.client", copies)

    def _check_for_provider(self, each: flow.Flow) -> None:
        operation = _operation_of(each)
        assert isinstance(each, http.HTTPFlow)
        url = original_url(each) or ""
        place = place_of(url)
        provider = find_provider(self._settings.config.providers, place.host, place.port)
        if problem := key_problem(provider, url):
            raise exceptions.CommandError(problem)
        served = self._settings.config.serves_anywhere
        if operation not in GENERATING and not served(Operation(operation)):
            raise exceptions.CommandError(
                f"Only calls that an endpoint serves have two answers to compare, not {operation}."
            )

    @command.command("vast.asked")  # type: ignore[untyped-decorator]
    def show_asked(self, flows: Sequence[flow.Flow]) -> None:
        """Make flows show the URL that the app asked for, so that any mitmproxy can replay them."""
        for each in flows:
            if isinstance(each, http.HTTPFlow) and (url := original_url(each)):
                each.request.url = url
        show_anew(flows)

    # mitmweb takes names of lower-case letters and dots only.
    @command.command("vast.save.media")  # type: ignore[untyped-decorator]
    def save_media(self, flows: Sequence[flow.Flow], folder: types.Path) -> Sequence[str]:
        """Save the images and audio of answers as files in a folder."""
        paths = []
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            for each in flows:
                if isinstance(each, http.HTTPFlow):
                    paths += save_media(each, Path(folder))
        except OSError as error:
            raise exceptions.CommandError(f"They cannot be saved: {error}.") from None
        if not paths:
            raise exceptions.CommandError("These answers have neither images nor audio.")
        return [str(path) for path in paths]

    @command.command("vast.curl")  # type: ignore[untyped-decorator]
    def curl(self, flow: flow.Flow) -> str:
        """Copy a flow as a curl command for Vast, with $VAST_API_KEY in place of the key.

        For a call of another API it is the chat completion that Vast gets. What only workers
        serve is sent to one, as the router says, with the endpoint's key in $VAST_ENDPOINT_KEY; to
        a machine, with the machine's key.
        """
        text = self._curl(flow)
        with contextlib.suppress(pyperclip.PyperclipException):  # a machine without a clipboard
            pyperclip.copy(text)
        return text

    def _curl(self, each: flow.Flow) -> str:
        operation = Operation(_operation_of(each))
        assert isinstance(each, http.HTTPFlow)
        config = self._settings.config
        if operation not in GENERATING and not config.serves_anywhere(operation):
            raise exceptions.CommandError(f"Vast has no {operation}.")
        if operation in UPLOADS:
            raise exceptions.CommandError(
                f"The body of {operation} is an upload, which is not written as a command. Replay"
                " the flow instead."
            )
        try:
            model, call = _curl_call(each, operation, config)
        except ApiError as error:
            raise exceptions.CommandError(error.message) from None
        except ValueError as error:
            raise exceptions.CommandError(f"The body cannot be read: {error}.") from None
        known = noted(each, "endpoint")
        if known in config.endpoints() and config.serves(known, operation):
            return curl_command(call, config.destination(known), config)
        for destination in config.destinations_for(model or noted(each, "model"), operation):
            return curl_command(call, destination, config)
        raise exceptions.CommandError("No Vast endpoint is configured: set VAST_ENDPOINT.")


def _curl_call(
    each: http.HTTPFlow, operation: Operation, config: Config
) -> tuple[str | None, CurlCall]:
    """The model that is asked for, and the call. Raises ApiError and ValueError."""
    if operation in GENERATING:
        request = body_for_vast(each, operation, config)
        call = CurlCall(
            operation=served_as(operation), body=request.body.decode(), is_stream=request.stream
        )
        return request.model, call
    listed = listed_call_of(each, operation)
    body = b"".join(done_at_once(listed.for_worker())).decode()
    call = CurlCall(operation=operation, body=body, cost=listed.cost)
    if isinstance(listed, SpeechCall):
        file = None if listed.as_events else f"speech.{listed.format}"
        call = replace(call, is_stream=not file, file=file)
    return listed.model, call


def _operation_of(each: flow.Flow) -> str:
    """The operation of a call that was taken over. Raises CommandError for another flow."""
    operation = noted(each, "operation") if isinstance(each, http.HTTPFlow) else None
    if operation is None:
        raise exceptions.CommandError("This flow is no call of a provider's API.")
    return operation
