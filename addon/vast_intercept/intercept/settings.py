"""Options and configuration: kept in force, and told to mitmproxy and the relay."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

from mitmproxy import contentviews, ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.mode_specs import ProxyMode, UpstreamMode
from msgspec.structs import replace

from ..certificates.signing import PUBLIC_KEY_OPTIONS, check_authority, check_signing_key
from ..config import (
    SETTLED,
    Config,
    ConfigWatch,
    ResponseStoreKind,
    built_in_providers,
    find_config_file,
    find_provider,
    load_config,
)
from ..mitm.borrowed import format_address, parse_size
from ..mitm.flow_files import MAX_FLOW
from ..mitm.master import list_of_flows, own_formatter, terminal_handler
from ..mitmweb.chat.contentview import ChatContentview
from ..mitmweb.chat.sent_view import SentContentview
from ..openai_api.limits import MAX_HELD
from ..openai_api.operations import Api
from ..relay.serving.server import Relay
from ..status import STATUS_HOST
from ..telemetry.call_log import JSON, TEXT, JsonFormatter

logger = logging.getLogger(__name__)

_CONFIG_OPTIONS = {
    "vast_config": "Configuration file of the Vast interceptor (YAML). Default:"
    " $VAST_INTERCEPT_CONFIG, else the project's config/vast.yaml if it exists.",
    "vast_endpoint": "Name of the Vast Serverless endpoint that calls go to.",
    "vast_interface": "Vast's interface: openai (openai.vast.ai) or serverless (run.vast.ai and"
    " workers).",
}
# Options that decide which configuration is in force.
_DECIDING = (*_CONFIG_OPTIONS, "vast_rehearse", "vast_judge")
_RECORD = (
    "Record calls in this file instead of serving them: all of them go to their providers, and"
    " neither a configuration nor a key is needed. Prefix the path with + to append."
)
_RECORD_LIMIT = "Stop recording where the file would become larger than this. Suffixes: k, m, g."
_BODY_LIMIT = "64m"
# In the list of hosts even where there is no provider: an empty list would take over every host.
_STATUS_ADDRESS = STATUS_HOST, 80
_STATUS = rf"^{re.escape(STATUS_HOST)}:80$"
# What `mitmdump -s` loads.
_ADDON = Path(__file__).parents[2] / "vast.py"
# Options with which mitmproxy's addons look into bodies.
_LOOKING = (
    *("save_stream_file", "hardump", "modify_body", "server_replay", "intercept"),
    *("block_list", "dumper_filter"),
)
# Seconds between two looks at the files: while no calls come, and while a call waits for a change.
_CONFIG_CHECK = 1.0
_LOOK_AGAIN = 0.02
# Never a connection to the original host, unless a call is really passed on (FACTS M1).
_WITHOUT_THE_PROVIDER: dict[str, Any] = {"connection_strategy": "lazy", "upstream_cert": False}


class Settings:
    """Keeps the configuration in force, and has mitmproxy act on it."""

    name = "vast_settings"

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._watch = ConfigWatch(_from_options, None)
        #: The values of the options that the watch was made with.
        self._watched: list[str | bool] = []
        self._background: asyncio.Task[None] | None = None
        self._allow_hosts: list[str] = []
        #: The limit of a body that is looked into, in bytes.
        self.max_body = 0
        #: The limit of one that mitmproxy holds: what is larger passes in pieces.
        self.max_held = 0
        #: Of a body that passes in pieces, a flow keeps so many bytes.
        self.kept = 0
        #: Whether a person holds calls, to look at them and to edit them.
        self.intercepting = False
        #: Whether calls go to their providers and are recorded, and none is served.
        self.recording = False
        #: Whether recorded calls are made to try Vast. No change of the configuration counts then.
        self.rehearsing = False
        #: Of each body, a recording keeps at most so many bytes.
        self.recorded = 0

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._watch.config

    @property
    def problem(self) -> str:
        """Why there is no valid configuration, or nothing."""
        return self._watch.problem

    def refresh(self) -> Config:
        """The configuration in force, read again if a file of it has changed."""
        if not self.rehearsing and self._watch.refresh():
            self._take_over_providers()
        return self._watch.config

    async def current(self) -> Config:
        """The configuration in force for a call that begins.

        Waits a moment for a file that is being written, so that a change holds for the next call.
        """
        config = self.refresh()
        while self._watch.awaited and not self.rehearsing:
            await asyncio.sleep(_LOOK_AGAIN)
            config = self.refresh()
        return config

    def takes_over(self, host: str, port: int) -> bool:
        """Whether connections to the host and the port are taken over."""
        return self.api_of(host, port) is not None

    def api_of(self, host: str, port: int) -> Api | None:
        """In whose API the provider with this host and port speaks. None for any other host."""
        if (host, port) == _STATUS_ADDRESS:
            return "openai"
        provider = find_provider(self.config.providers, host, port)
        return provider.api if provider else None

    def takes_over_port(self, port: int) -> bool:
        """Whether there is any host of which connections to the port are taken over."""
        return port == _STATUS_ADDRESS[1] or any(
            port in provider.ports for provider in self.config.providers
        )

    # --- hooks --------------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        """Declares the options and the chat view, and sets what mitmproxy needs to be told."""
        for name, meaning in _CONFIG_OPTIONS.items():
            loader.add_option(name, str, "", meaning)
        loader.add_option("vast_record", str, "", _RECORD)
        loader.add_option("vast_record_limit", str, "1g", _RECORD_LIMIT)
        loader.add_option(
            "vast_log", str, TEXT, "Log format: text for people, json for machines.", (TEXT, JSON)
        )
        loader.add_option(
            "vast_rehearse", bool, False, "Refuse each call that would go to its provider."
        )
        loader.add_option(
            "vast_judge", str, "", "In a rehearsal: take over calls for this endpoint of Vast's."
        )
        chat = ChatContentview()
        contentviews.add(chat)
        contentviews.add(SentContentview(chat))
        ctx.options.update(**_WITHOUT_THE_PROVIDER)

    def configure(self, updated: set[str]) -> None:
        """Reads the configuration when the options for it are set or changed."""
        self.rehearsing = self._relay.rehearsing = ctx.options.vast_rehearse
        if updated & PUBLIC_KEY_OPTIONS:
            check_signing_key(ctx.options)
        if "confdir" in updated:
            self._relay.folder = Path(ctx.options.confdir).expanduser()
            check_authority(self._relay.folder)
        if updated & {"mode", "upstream_auth"}:
            self._use_upstream_proxy()
        self._bound_bodies()
        self.intercepting = bool(getattr(ctx.options, "intercept_active", False))
        if updated & {*_WITHOUT_THE_PROVIDER}:
            _connect_for_calls_only()
        self._watch.serving = not self.recording
        if "vast_log" in updated:
            _format_log(ctx.options.vast_log)
        if updated & {*_DECIDING}:
            self._read_config()

    def _bound_bodies(self) -> None:
        limit = getattr(ctx.options, "stream_large_bodies", None) or _BODY_LIMIT
        self.max_body = parse_size(limit) or 0
        self.max_held = min(self.max_body, MAX_HELD)
        self.kept = self.max_held if _bodies_are_looked_at() else 0
        self.recording = bool(ctx.options.vast_record)
        self.recorded = min(self.max_body, MAX_FLOW) if self.recording else 0

    def _read_config(self) -> None:
        options = [getattr(ctx.options, name) for name in _DECIDING]
        if options == self._watched:
            return  # told of options once more: what is wrong was logged already
        self._watched = options
        self._watch = ConfigWatch(_from_options, find_config_file(ctx.options.vast_config))
        self._watch.serving = not self.recording
        if self._background:
            self._watch.refresh()
        else:
            self._watch.start()  # nothing runs yet that this would block
        self._take_over_providers()

    def running(self) -> None:
        """Watches the configuration's files, also while no calls come."""
        self._background = asyncio.create_task(self._check_config(), name="watch configuration")

    def done(self) -> None:
        """Stops watching the configuration."""
        if self._background:
            self._background.cancel()

    async def _check_config(self) -> None:
        while True:
            await asyncio.sleep(SETTLED if self._watch.pending else _CONFIG_CHECK)
            self.refresh()

    def _use_upstream_proxy(self) -> None:
        """Reaches Vast through the proxy that mitmproxy itself uses (mode `upstream:`)."""
        modes = [ProxyMode.parse(spec) for spec in ctx.options.mode]
        proxies = [mode for mode in modes if isinstance(mode, UpstreamMode)]
        urls = [f"{proxy.scheme}://{format_address(proxy.address)}" for proxy in proxies]
        auth = getattr(ctx.options, "upstream_auth", None)
        self._relay.proxy.use(urls[0] if urls else None, auth)

    def _take_over_providers(self) -> None:
        """Makes mitmproxy tunnel every host that is no provider's, untouched (FACTS M2)."""
        ours = [regex for provider in self.config.providers for regex in provider.host_regexes()]
        ours.append(_STATUS)
        users = [regex for regex in ctx.options.allow_hosts if regex not in self._allow_hosts]
        self._allow_hosts = ours
        ctx.options.update(allow_hosts=users + ours)


def _connect_for_calls_only() -> None:
    """Undoes options that would have mitmproxy connect to providers before there is a call."""
    for name, value in _WITHOUT_THE_PROVIDER.items():
        if getattr(ctx.options, name) != value:
            said = (
                "The option %s stays %s: otherwise mitmproxy would connect to providers for calls"
                " that are not passed on."
            )
            logger.warning(said, name, str(value).lower())
            ctx.options.update(**{name: value})


def _format_log(kind: str) -> None:
    """Has what mitmproxy logs to the terminal be text, or lines of JSON."""
    handler = terminal_handler()
    if handler and kind == JSON:
        handler.setFormatter(JsonFormatter())
    elif handler and isinstance(handler.formatter, JsonFormatter):
        handler.setFormatter(own_formatter(handler))


def _bodies_are_looked_at() -> bool:
    """Whether anybody gets to see a body that has passed: not under mitmdump by itself."""
    options = ctx.options
    scripts = [Path(path).expanduser().resolve() for path in options.scripts]
    return (
        options.vast_rehearse
        or list_of_flows() is not None
        or any(getattr(options, name, None) for name in _LOOKING)
        or getattr(options, "flow_detail", 0) >= 3
        or any(path != _ADDON for path in scripts)
    )


def _from_options() -> Config:
    config = load_config(
        find_config_file(ctx.options.vast_config),
        endpoint=ctx.options.vast_endpoint,
        interface=ctx.options.vast_interface,
    )
    return for_rehearsal(config, ctx.options.vast_judge) if ctx.options.vast_rehearse else config


def for_rehearsal(config: Config, judge: str = "") -> Config:
    """The configuration for recorded calls, which no app makes and whose responses no app needs.

    With a `judge`, an endpoint, calls of Vast's own API are taken over as well, and may name it.
    """
    if judge:
        vast = built_in_providers()["vast"]
        config = replace(
            config,
            providers=(*(each for each in config.providers if each.name != vast.name), vast),
            known_endpoints={**config.known_endpoints, judge: config.known_endpoint(judge)},
        )
    responses = config.responses
    if isinstance(responses.store, Path):
        responses = replace(responses, store=ResponseStoreKind.MEMORY)
    return replace(config, client_keys=(), responses=responses)
