"""Whom Vast's workers and instances are verified by: Vast's own root, the public CAs, `ca_file`."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from yarl import URL

from ...config import Config
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import bad_gateway
from ...vast_api.console import LARGEST_ROOT, root_url
from ...vast_api.headers import USER_AGENT
from ..failures import AttemptFailed
from ..http_client import HttpClient
from .tls import new_context, public_context

logger = logging.getLogger(__name__)

# Seconds until the root is fetched again: after it was fetched, and after it could not be.
_RENEW_AGAIN = 600
_TRY_AGAIN = 10

type _Source = tuple[str, Path | None, bool]


class VastTrust:
    """Trusts what signs certificates on Vast: Vast's own root, the public CAs, `ca_file`.

    The root is fetched once from `console_url` and kept in `folder`. Where there is a `ca_file`, it
    takes the root's place. `clock` gives seconds.
    """

    def __init__(
        self, client: HttpClient, folder: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._folder = folder
        self._clock = clock
        self._contexts: dict[_Source, ssl.SSLContext] = {}
        #: The same without the root, while there is none.
        self._rootless: dict[_Source, ssl.SSLContext] = {}
        self._lock = asyncio.Lock()
        self._renew_at = float("-inf")

    async def context(self, config: Config) -> ssl.SSLContext:
        """What is trusted, with the root. Raises AttemptFailed if it can't be fetched nor read."""
        source = _source(config)
        if found := self._contexts.get(source):
            return found
        async with self._lock:
            if source not in self._contexts:
                root = None if config.ca_file else self._kept(config) or await self._fetched(config)
                self._contexts = {source: vast_context(config, root)}
        return self._contexts[source]

    def context_at_hand(self, config: Config) -> ssl.SSLContext:
        """What is trusted, with the root only if it was fetched before: this asks nobody."""
        source = _source(config)
        if found := self._contexts.get(source) or self._rootless.get(source):
            return found
        root = None if config.ca_file else self._kept(config)
        if root or config.ca_file:
            self._contexts = {source: vast_context(config, root)}
            return self._contexts[source]
        self._rootless = {source: vast_context(config, None)}
        return self._rootless[source]

    async def renew(self, config: Config, refusing: ssl.SSLContext) -> bool:
        """Fetches the root again, since a certificate was not trusted. True if that may help.

        `refusing` is the context that did not trust it. The root is fetched no more often than
        every ten minutes. Raises AttemptFailed if it cannot be fetched, and then not again for ten
        seconds.
        """
        if config.ca_file:
            return False
        source = _source(config)
        async with self._lock:
            if self._contexts.get(source, refusing) is not refusing:
                return True  # another call was faster
            if self._clock() < self._renew_at:
                return False
            self._renew_at = self._clock() + _TRY_AGAIN
            before = self._kept(config) if source in self._contexts else None
            root = await self._fetched(config)
            self._renew_at = self._clock() + _RENEW_AGAIN
            self._contexts = {source: vast_context(config, root)}
            return root != before

    def _kept(self, config: Config) -> str | None:
        kept = self._path(config)
        try:
            return usable_root(kept.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            logger.warning("%s cannot be used (%s): fetching it again.", kept, error)
        return None

    def _path(self, config: Config) -> Path:
        console = URL(config.console_url)
        return self._folder / f"vast-root-{console.host}-{console.port}.pem"

    async def _fetched(self, config: Config) -> str:
        url = URL(root_url(config.console_url), encoded=True)
        asked = {"user-agent": USER_AGENT}
        try:
            status, body = await self._client.ask(
                "GET", url, asked, public_context(config), limit=LARGEST_ROOT
            )
        except AttemptFailed as failed:
            raise _no_root(url, failed.error.message.rstrip(".")) from None
        if status != 200:
            raise _no_root(url, f"{url.host!r} answered with status {status}")
        try:
            root = usable_root(body)
        except ValueError as error:
            raise _no_root(url, f"what is there is no root certificate: {error}") from None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = self._path(config).with_suffix(".new")
            unfinished.write_text(root, "ascii")
            unfinished.replace(self._path(config))
        except OSError as error:
            logger.warning("Vast's root certificate cannot be kept: %s.", error)
        return root


def _source(config: Config) -> _Source:
    return config.console_url, config.ca_file, config.ca_only


def _no_root(url: URL, problem: str) -> AttemptFailed:
    message = (
        f"Vast's root certificate cannot be fetched from {url} ({problem}), and without it"
        " workers cannot be verified. If you have it in a file, name that in vast.ca_file."
    )
    return AttemptFailed(bad_gateway(message, ErrorCode.VAST_ROOT_UNAVAILABLE))


def vast_context(config: Config, root: str | None) -> ssl.SSLContext:
    """Trusts Vast's root beside what `public_context` does. Raises ApiError as that does."""
    context = new_context(config.ca_file, config.ca_only)
    if root:
        context.load_verify_locations(cadata=root)
    # Vast's root has a key usage that the strict check refuses; the chain, its signatures and the
    # host's name are verified as ever (FACTS V8).
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def usable_root(data: bytes) -> str:
    """Certificates in PEM, from PEM or DER. Raises ValueError unless one is valid now."""
    try:
        text = data.decode("ascii") if b"-----BEGIN" in data else ssl.DER_cert_to_PEM_cert(data)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"not a certificate: {error}") from None
    certificates = context.get_ca_certs()
    if not certificates:
        raise ValueError("not the certificate of a CA")
    if all(ssl.cert_time_to_seconds(str(each["notAfter"])) < time.time() for each in certificates):
        raise ValueError("it has expired")
    return text
