"""What is checked, and what the steps have found out about it so far."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from ..certificates.own_ca import CertificateAuthority
from ..config import Config, ConfigFile, find_config_file
from ..launch.named_proxy import NamedProxy
from ..secret import Secret
from ..status import Status
from ..vast_api.console import ListedEndpoint
from .findings import NotApplicable
from .target import Door, door_of
from .vast_account import VastAccount


@dataclass(slots=True, kw_only=True)
class Subject:
    """Options and environment, and the values that steps leave for later steps."""

    #: The options `--config` and `--endpoint`.
    config_option: str | None
    endpoint: str | None
    port: int
    offline: bool
    environ: Mapping[str, str]

    #: The configuration's file, as the interceptor finds it.
    path: Path | None = field(init=False)
    config: Config = field(init=False)
    file: ConfigFile = field(init=False)
    config_is_valid: bool = field(init=False, default=False)
    key: Secret = field(init=False)
    key_is_missing: bool = field(init=False, default=False)
    #: The interceptor's status, asked for before the first step.
    glance: Future[Status] = field(init=False)
    #: The proxy that the interceptor goes through.
    proxy: NamedProxy | None = field(init=False, default=None)
    account: VastAccount = field(init=False)
    #: The endpoints that the configuration names, as the account lists them.
    endpoints: dict[str, ListedEndpoint] = field(init=False, default_factory=dict)
    status: Status = field(init=False)
    ca: CertificateAuthority = field(init=False)
    #: The URL that the app's calls go to.
    chat_url: str = field(init=False)
    shell_is_set_up: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.path = find_config_file(self.config_option, self.environ)

    @property
    def door(self) -> Door:
        """How the interceptor takes calls at the port."""
        return door_of(self.status, self.port)

    def need_vast(self) -> None:
        """Raises NotApplicable with `--offline`: the step asks Vast, or has it answer a call."""
        if self.offline:
            raise NotApplicable("not looked at, because of --offline")
