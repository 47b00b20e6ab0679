"""What is checked, and what the steps have found out about it so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..certificates.own_ca import CertificateAuthority
from ..config import Config, ConfigFile, find_config_file
from ..secret import Secret
from ..status import Status
from ..vast_api.console import ListedEndpoint
from .vast_account import VastAccount


@dataclass(frozen=True, slots=True)
class ConfigPath:
    """The path of the configuration file, if one is named, and what named it."""

    path: Path | None
    named_by: str = ""

    @classmethod
    def find(cls, option: str | None, environ: Mapping[str, str]) -> "ConfigPath":
        """The path as the interceptor finds it."""
        variable = "VAST_INTERCEPT_CONFIG"
        named_by = "--config" if option else variable if environ.get(variable) else ""
        return cls(find_config_file(option, environ), named_by)


@dataclass(slots=True, kw_only=True)
class Subject:
    """Options and environment, and the values that steps leave for later steps."""

    where: ConfigPath
    #: The option `--endpoint`.
    endpoint: str | None
    port: int
    offline: bool
    environ: Mapping[str, str]

    config: Config = field(init=False)
    file: ConfigFile = field(init=False)
    key: Secret = field(init=False)
    key_is_missing: bool = field(init=False, default=False)
    account: VastAccount = field(init=False)
    #: The endpoints that the configuration names, as the account lists them.
    endpoints: dict[str, ListedEndpoint] = field(init=False, default_factory=dict)
    config_is_valid: bool = field(init=False, default=False)
    status: Status = field(init=False)
    ca: CertificateAuthority = field(init=False)
    #: The URL that the app's calls go to.
    chat_url: str = field(init=False)
    shell_is_set_up: bool = field(init=False, default=False)
